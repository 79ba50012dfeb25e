"""How a step is made."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Look:
    """What a look at pictures found, without a graph."""

    values: Tensor
    """[N]: what is ascended, the scores less the penalties."""
    scores: Tensor
    """[N]."""
    raw: Tensor | None = None
    """The gradient of `values`, in the shape of the variables."""
    gradient: Tensor | None = None
    """The same once it is filtered: the way to go."""


class Hill(Protocol):
    """What is ascended at one step: looks draw the same transforms."""

    def climb(self, variables: Tensor) -> Look:
        """With a gradient. variables: as many as there are pictures."""

    def look(self, variables: Tensor, rows: list[int]) -> Look:
        """Without one. rows: which picture of the batch each is for."""


class Optimizer(Protocol):
    """Goes uphill."""

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """The variables after a step, in a tensor of their own, and what was found before it moved. step: steps done
        before. generator: on the CPU."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers from step to step, by name."""

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """Go on from what state() gave, with those variables; a KeyError or ValueError for anything else."""


def checked(state: dict[str, Tensor], name: str, variables: Tensor) -> Tensor:
    """One of a state's tensors, on the device of the variables and in their shape."""
    tensor = state[name]
    if tensor.shape != variables.shape:
        raise ValueError(f"{name} has another shape than the variables")
    return torch.empty_like(variables).copy_(tensor)
