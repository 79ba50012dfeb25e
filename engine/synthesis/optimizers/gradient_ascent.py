"""Gradient ascent with momentum: v = m v + g, x = x + step_size v. Polyak 1964."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Hill, Look, checked


class GradientAscent:
    """Starts from rest, and again wherever it is told to."""

    def __init__(
        self,
        step_size: Callable[[int], float],
        momentum: float = 0.0,
        rests: Callable[[int], bool] = lambda step: step == 0,
    ) -> None:
        """step_size: at each step. rests: the steps before which the velocity is forgotten."""
        self._step_size = step_size
        self._momentum = momentum
        self._rests = rests
        self._velocity: Tensor | None = None

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        found = hill.climb(variables)
        assert found.gradient is not None
        move = found.gradient
        if self._momentum:
            if self._velocity is None or self._rests(step):
                self._velocity = torch.zeros_like(variables)
            move = self._velocity = self._velocity.mul_(self._momentum).add_(move)
        return variables.add(move, alpha=self._step_size(step)), found

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {} if self._velocity is None else {"velocity": self._velocity}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        self._velocity = checked(state, "velocity", variables) if self._momentum else None
