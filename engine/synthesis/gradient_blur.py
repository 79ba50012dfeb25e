"""Steps without the highest frequencies, which networks answer to and eyes do not. Øygaard 2015, the published code,
blurs the picture to the same end."""

import torch
import torch.nn.functional as F
from torch import Tensor


class GradientBlur:
    """A Gaussian round the picture's edges, as the jitter rolls it."""

    def __init__(self, sigma: float, device: torch.device) -> None:
        """sigma: pixels."""
        # A width of 4 sigma holds all but a ten-thousandth.
        self._radius = max(1, round(4 * sigma))
        weights = torch.exp(-torch.arange(-self._radius, self._radius + 1.0).square() / (2 * sigma**2))
        self._weights = (weights / weights.sum()).to(device).expand(3, 1, -1)

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        rows = self._along(gradient, 3)
        return self._along(rows, 2).contiguous(memory_format=torch.channels_last)

    def _along(self, gradient: Tensor, dim: int) -> Tensor:
        length = gradient.shape[dim]
        wrapped = torch.arange(-self._radius, length + self._radius, device=gradient.device) % length
        weights = self._weights.unsqueeze(2 if dim == 3 else 3)
        return F.conv2d(gradient.index_select(dim, wrapped), weights, groups=3)
