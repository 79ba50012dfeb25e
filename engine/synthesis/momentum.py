"""Gradient ascent with momentum: v = m v + g, x = x + step_size v. Polyak 1964."""

import torch
from torch import Tensor


class Momentum:
    """Starts from rest."""

    def __init__(self, step_size: float, momentum: float, variables: Tensor) -> None:
        """variables: in the shape of those that it will move."""
        self._step_size = step_size
        self._momentum = momentum
        self._velocity = torch.zeros_like(variables)

    def step(self, variables: Tensor, gradient: Tensor) -> Tensor:
        """As Optimizer."""
        self._velocity = self._velocity.mul_(self._momentum).add_(gradient)
        return variables.add(self._velocity, alpha=self._step_size)

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {"velocity": self._velocity}

    def restore(self, state: dict[str, Tensor]) -> None:
        """As Optimizer."""
        if state["velocity"].shape != self._velocity.shape:
            raise ValueError("the velocity has another shape")
        self._velocity.copy_(state["velocity"])
