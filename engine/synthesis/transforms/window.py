"""A part of a picture that is larger than what the network takes. Øygaard 2015, the published code."""

import torch
from torch import Tensor


class Window:
    """Shows a part of `height` x `width` pixels, at random; a picture of that size is shown whole."""

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """As Transform."""
        top, left = (
            int(torch.randint(0, max(0, side - seen) + 1, (1,), generator=generator))
            for side, seen in zip(images.shape[2:], (self._height, self._width), strict=True)
        )
        part = images[:, :, top : top + self._height, left : left + self._width]
        return part.contiguous(memory_format=torch.channels_last)
