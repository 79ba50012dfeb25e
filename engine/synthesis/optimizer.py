"""How a gradient becomes a step."""

from typing import Protocol

from torch import Tensor


class Optimizer(Protocol):
    """Goes uphill."""

    def step(self, variables: Tensor, gradient: Tensor) -> Tensor:
        """The variables after a step, in a tensor of their own."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers from step to step, by name."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what state() gave; a KeyError or ValueError for anything else."""
