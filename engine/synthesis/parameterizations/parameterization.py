"""What is moved, and the pictures that it stands for."""

from typing import Protocol

import torch
from torch import Tensor


class Parameterization(Protocol):
    """The variables of a synthesis as pictures. Variables have the batch first."""

    def start(self, generator: torch.Generator) -> Tensor:
        """The variables before the first step. generator: on the CPU."""

    def shape(self, step: int) -> tuple[int, ...]:
        """Of the variables after `step` steps."""

    def before(self, step: int, variables: Tensor) -> Tensor:
        """The variables that the step after `step` steps starts from: `variables`, or larger ones in their place."""

    def images(self, variables: Tensor) -> Tensor:
        """[N, 3, H, W] as the network takes them, differentiable."""

    def shown(self, variables: Tensor) -> Tensor:
        """[N, 3, H, W], red, green and blue, 0 to 1; beyond that where a picture is not bounded."""
