"""The sum of (dx^2 + dy^2)^(beta/2): pictures consist of even patches. Mahendran & Vedaldi 2015, section 3.2."""

from collections.abc import Sequence

import torch
from torch import Tensor

# Of grey levels squared. Where two pixels are equal the root's gradient is none.
_SMALLEST = 1e-6


class TotalVariation:
    """Of each picture and colour, by finite differences to the right and down; at the last row and column the one that
    is left."""

    def __init__(self, weights: Sequence[float], beta: float) -> None:
        """weights: of each picture of the batch, or one for all."""
        self._weights = weights
        self._beta = beta

    def __call__(self, levels: Tensor, rows: Sequence[int]) -> Tensor:
        """As Regularizer."""
        right = torch.nn.functional.pad(levels.diff(dim=3), (0, 1))
        down = torch.nn.functional.pad(levels.diff(dim=2), (0, 0, 0, 1))
        squares = right.square() + down.square()
        if self._beta != 2:
            squares = (squares + _SMALLEST).pow(self._beta / 2)
        weights = [self._weights[row] for row in rows] if len(self._weights) > 1 else self._weights
        return torch.tensor(weights, dtype=levels.dtype, device=levels.device) * squares.sum(dim=(1, 2, 3))
