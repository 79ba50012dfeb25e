"""c |r|^2, r the change of the start: the smallest change that does. Szegedy et al. 2013, section 4.1."""

from collections.abc import Sequence

from torch import Tensor


class Departure:
    """The squared distance of each picture from what it started from."""

    def __init__(self, weight: float, start: Tensor) -> None:
        """start: [N, 3, H, W], grey levels about the mean."""
        self._weight = weight
        self._start = start

    def __call__(self, levels: Tensor, rows: Sequence[int]) -> Tensor:
        """As Regularizer."""
        return self._weight * (levels - self._start[list(rows)]).square().sum(dim=(1, 2, 3))
