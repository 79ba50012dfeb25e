"""Pictures are rolled, so that no pixel keeps its place in the network's strides. Mordvintsev et al. 2015, the code."""

import torch
from torch import Tensor


class Jitter:
    """Rolls pictures by up to `most` pixels each way; what leaves at one side comes in at the other."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """As Transform. The gradient comes back rolled the other way."""
        shifts = torch.randint(-self._most, self._most + 1, (2,), generator=generator).tolist()
        return images.roll(shifts, dims=(2, 3)).contiguous(memory_format=torch.channels_last)
