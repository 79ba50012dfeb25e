"""What holds pictures back."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Regularizer(Protocol):
    """A penalty on pictures."""

    def __call__(self, levels: Tensor, rows: Sequence[int]) -> Tensor:
        """[n, 3, H, W], grey levels about the mean, to [n], differentiable; it is taken off what is ascended. rows:
        which pictures of the batch they are, as of Objective."""
