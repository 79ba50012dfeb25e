"""What the three networks see with."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

FEATURES, GRID = 128, 8
"""Channels, and places in a row and in a column, of what is seen in a picture of the small world."""


class Places(nn.Module):
    """Two more channels: how far to the right and how far down each place is, -1 to 1."""

    def forward(self, values: Tensor) -> Tensor:
        height, width = values.shape[2:]
        down = torch.linspace(-1, 1, height, device=values.device, dtype=values.dtype)
        right = torch.linspace(-1, 1, width, device=values.device, dtype=values.dtype)
        grid = torch.stack([right.expand(height, width), down[:, None].expand(height, width)])
        return torch.cat([values, grid.expand(len(values), 2, height, width)], dim=1)


def eye() -> nn.Sequential:
    """Pictures [N, 3, 64, 64] to features [N, FEATURES, GRID, GRID], which are not negative."""
    blocks = OrderedDict(
        block1=_block(3, 24, size=5, stride=2),
        block2=_block(24, 48, stride=2),
        block3=_block(48, 64),
        block4=_block(64, 96, stride=2),
        places=Places(),
        block5=_block(98, FEATURES),
    )
    return nn.Sequential(blocks)


def _block(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    parts = OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs), activation=nn.ReLU())
    return nn.Sequential(parts)
