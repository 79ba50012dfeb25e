"""Steps of one length, whatever the gradient's: x = x + step_size g / mean |g|. Mordvintsev et al. 2015, the code."""

import torch
from torch import Tensor


class NormalizedStep:
    """Moves each picture's numbers by `step_size` on average, and keeps them within bounds."""

    def __init__(self, step_size: float, lowest: float, highest: float) -> None:
        self._step_size = step_size
        self._bounds = lowest, highest

    def step(self, variables: Tensor, gradient: Tensor) -> Tensor:
        """As Optimizer. A gradient of zeros moves nothing."""
        mean = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_(min=torch.finfo(gradient.dtype).tiny)
        return variables.add(gradient / mean, alpha=self._step_size).clamp_(*self._bounds)

    def state(self) -> dict[str, Tensor]:
        """As Optimizer: nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """As Optimizer."""
