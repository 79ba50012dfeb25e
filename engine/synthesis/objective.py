"""What is ascended."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Rise:
    """One look at the pictures: a tensor of the network, the gradient that is set there, and each picture's score."""

    output: Tensor
    """Depends on the pictures; of any shape."""
    gradient: Tensor
    """What is sent back from `output`, in its shape."""
    scores: Tensor
    """[N], without a graph."""


class Objective(Protocol):
    """Looks at pictures through a network, and leaves nothing behind in it."""

    def __call__(self, images: Tensor, rows: slice) -> Rise:
        """images: [n, 3, H, W] as the network takes them: those pictures of the batch that `rows` says."""
