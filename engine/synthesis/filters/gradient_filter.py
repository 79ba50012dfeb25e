"""What happens to a gradient before a step is made of it."""

from typing import Protocol

from torch import Tensor


class GradientFilter(Protocol):
    """Changes the way uphill, not the hill."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """[N, 3, H, W] to the same, each picture by itself."""
