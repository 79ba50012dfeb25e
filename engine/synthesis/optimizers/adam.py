"""Adam: each number goes by its gradient's mean over its root mean square. Kingma & Ba 2015, algorithm 1."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Hill, Look, checked

MEAN_DECAY, SQUARE_DECAY, SMALLEST = 0.9, 0.999, 1e-8


class Adam:
    """With the paper's decays."""

    def __init__(self, step_size: Callable[[int], float], variables: Tensor) -> None:
        """step_size: at each step. variables: in the shape of those that it will move."""
        self._step_size = step_size
        self._mean = torch.zeros_like(variables)
        self._square = torch.zeros_like(variables)

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        found = hill.climb(variables)
        assert found.gradient is not None
        self._mean.lerp_(found.gradient, 1 - MEAN_DECAY)
        self._square.mul_(SQUARE_DECAY).addcmul_(found.gradient, found.gradient, value=1 - SQUARE_DECAY)
        mean_seen, square_seen = 1 - MEAN_DECAY ** (step + 1), 1 - SQUARE_DECAY ** (step + 1)
        roots = (self._square / square_seen).sqrt_().add_(SMALLEST)
        return variables.addcdiv(self._mean, roots, value=self._step_size(step) / mean_seen), found

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {"mean": self._mean, "square": self._square}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        self._mean, self._square = (checked(state, name, variables) for name in ("mean", "square"))
