"""What holds pictures back."""

from typing import Protocol

from torch import Tensor


class Regularizer(Protocol):
    """A penalty on pictures."""

    def __call__(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] as the network takes them to [N], differentiable; it is taken off what is ascended."""
