"""The Gaussian that smooths pictures and gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor


class Gaussian:
    """Smooths along rows and columns."""

    def __init__(self, sigma: float, device: torch.device, *, wrapped: bool) -> None:
        """sigma: pixels. wrapped: whether the picture goes on at its other side; else it is mirrored at its edges."""
        # A width of 4 sigma holds all but a ten-thousandth.
        self._radius = max(1, round(4 * sigma))
        weights = torch.exp(-torch.arange(-self._radius, self._radius + 1.0).square() / (2 * sigma**2))
        self._weights = (weights / weights.sum()).to(device).expand(3, 1, -1)
        self._wrapped = wrapped

    def __call__(self, pictures: Tensor) -> Tensor:
        """[N, 3, H, W] to the same."""
        rows = self._along(pictures, 3)
        return self._along(rows, 2).contiguous(memory_format=torch.channels_last)

    def _along(self, pictures: Tensor, dim: int) -> Tensor:
        length = pictures.shape[dim]
        places = torch.arange(-self._radius, length + self._radius, device=pictures.device)
        if self._wrapped:
            places = places % length
        else:
            places = places % (2 * length)
            places = torch.minimum(places, 2 * length - 1 - places)
        weights = self._weights.unsqueeze(2 if dim == 3 else 3)
        return F.conv2d(pictures.index_select(dim, places), weights, groups=3)
