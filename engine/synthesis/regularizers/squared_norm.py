"""lambda |I|^2 of Simonyan, Vedaldi & Zisserman 2013, equation 1."""

from collections.abc import Sequence

from torch import Tensor


class SquaredNorm:
    """The squared norm of each picture about the mean picture."""

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def __call__(self, levels: Tensor, rows: Sequence[int]) -> Tensor:
        """As Regularizer."""
        return self._weight * levels.square().sum(dim=(1, 2, 3))
