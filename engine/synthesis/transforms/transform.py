"""What happens to pictures before the network sees them."""

from typing import Protocol

import torch
from torch import Tensor


class Transform(Protocol):
    """A random change of pictures that leaves what they show."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """[N, 3, H, W] to the same or a part, differentiable; the same change for every picture. generator: on the
        CPU."""
