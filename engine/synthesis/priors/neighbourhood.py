"""The pixels round each pixel, for filters of small windows."""

import torch
import torch.nn.functional as F
from torch import Tensor


def neighbourhood(pictures: Tensor, width: int) -> Tensor:
    """[N, 3, H, W] to [N, 3, width * width, H, W], row by row; mirrored beyond the edges, these not repeated."""
    reach = width // 2
    padded = F.pad(pictures, (reach,) * 4, mode="reflect")
    height, across = pictures.shape[2:]
    shifts = [padded[:, :, y : y + height, x : x + across] for y in range(width) for x in range(width)]
    return torch.stack(shifts, dim=2)
