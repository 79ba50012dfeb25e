"""The sum of |x|^alpha: pixels stay within a range. Mahendran & Vedaldi 2015, section 3.2."""

from collections.abc import Sequence

from torch import Tensor


class AlphaNorm:
    """Of each picture about the mean picture."""

    def __init__(self, weight: float, alpha: float) -> None:
        self._weight = weight
        self._alpha = alpha

    def __call__(self, levels: Tensor, rows: Sequence[int]) -> Tensor:
        """As Regularizer."""
        return self._weight * levels.abs().pow(self._alpha).sum(dim=(1, 2, 3))
