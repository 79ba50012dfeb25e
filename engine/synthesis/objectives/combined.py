"""Objectives that are made of others."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.synthesis.objectives.objective import Objective


class Sum:
    """Of others, each times its weight."""

    def __init__(self, *parts: tuple[float, Objective]) -> None:
        self._parts = parts

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        return torch.stack([weight * part(images, rows) for weight, part in self._parts]).sum(dim=0)


class Product:
    """Of others: all of them have to be there."""

    def __init__(self, *parts: Objective) -> None:
        self._parts = parts

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        return torch.stack([part(images, rows) for part in self._parts]).prod(dim=0)


class Interpolation:
    """From one objective to another over the batch: the first picture has the first alone, the last the second.

    Olah et al. 2017, section "Interaction between neurons".
    """

    def __init__(self, first: Objective, second: Objective, count: int) -> None:
        """count: of pictures, at least 2."""
        self._first, self._second = first, second
        self._count = count

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        first = self._first(images, rows)
        part = torch.tensor([row / (self._count - 1) for row in rows], dtype=first.dtype, device=images.device)
        return (1 - part) * first + part * self._second(images, rows)
