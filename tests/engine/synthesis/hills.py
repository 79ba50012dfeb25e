"""Hills without a network, for optimizers."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Look, Optimizer

Height = Callable[[Tensor, list[int]], Tensor]
"""Variables [n, ...] and which pictures of the batch they are, to [n]."""


class FormulaHill:
    """As Hill, of a formula."""

    def __init__(self, height: Height) -> None:
        self._height = height
        self.looks = 0
        """How many pictures were looked at without a gradient."""

    def climb(self, variables: Tensor) -> Look:
        leaf = variables.detach().requires_grad_()
        values = self._height(leaf, list(range(len(leaf))))
        (gradient,) = torch.autograd.grad(values.sum(), leaf)
        return Look(values.detach(), values.detach(), gradient, gradient)

    def look(self, variables: Tensor, rows: list[int]) -> Look:
        self.looks += len(rows)
        with torch.no_grad():
            values = self._height(variables, rows)
        return Look(values, values)


def climbed(optimizer: Optimizer, height: Height, start: Tensor, steps: int, seed: int = 0) -> list[Tensor]:
    """The variables after each step."""
    generator = torch.Generator().manual_seed(seed)
    variables, passed = start, []
    for step in range(steps):
        variables, _ = optimizer.step(step, variables, FormulaHill(height), generator)
        passed.append(variables)
    return passed


class Bowl:
    """The concave -(x - peak)^T A (x - peak) / 2 of each picture, with curvatures a hundred times apart."""

    def __init__(self, count: int, shape: tuple[int, ...] = (3, 4, 5), seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        length = torch.Size(shape).numel()
        self.shape = (count, *shape)
        self.peaks = torch.randn(count, length, generator=generator, dtype=torch.float64)
        self._matrices = []
        for _ in range(count):
            axes, _ = torch.linalg.qr(torch.randn(length, length, generator=generator, dtype=torch.float64))
            self._matrices.append(axes @ torch.diag(torch.logspace(0, 2, length, dtype=torch.float64)) @ axes.T)

    def __call__(self, variables: Tensor, rows: list[int]) -> Tensor:
        away = variables.flatten(1) - self.peaks[rows]
        return torch.stack([-(one @ self._matrices[row] @ one) / 2 for one, row in zip(away, rows, strict=True)])

    def alone(self, row: int) -> Height:
        """The same of one of the pictures."""
        return lambda variables, rows: self(variables, [row] * len(rows))
