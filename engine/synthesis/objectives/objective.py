"""What is ascended."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Objective(Protocol):
    """Looks at pictures through a network, and leaves nothing behind in it."""

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """Each picture's score, [n], differentiable. images: [n, 3, H, W] as the network takes them. rows: which
        pictures of the batch they are; evolution looks at several of one row."""
