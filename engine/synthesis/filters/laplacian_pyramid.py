"""A gradient whose low frequencies are as strong as its high ones. Mordvintsev 2016, "DeepDreaming with TensorFlow"."""

import torch
import torch.nn.functional as F
from torch import Tensor

# A binomial of five, nearly a Gaussian of one pixel.
_BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
_SMALLEST = 1e-10


class LaplacianPyramid:
    """Splits a gradient into levels, each half as fine as the last, divides each by its RMS and adds them again."""

    def __init__(self, levels: int, device: torch.device) -> None:
        """levels: beside the coarse rest, which is divided too."""
        self._levels = levels
        row = torch.tensor(_BINOMIAL, device=device)
        kernel = torch.outer(row, row)
        self._kernel = (kernel / kernel.sum()).expand(3, 1, -1, -1).contiguous()

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        details, rest = [], gradient
        for _ in range(self._levels):
            coarse = F.conv2d(rest, self._kernel, stride=2, padding=2, groups=3)
            details.append(rest - self._finer(coarse, rest))
            rest = coarse
        merged = _even(rest)
        for detail in reversed(details):
            merged = self._finer(merged, detail) + _even(detail)
        return merged.contiguous(memory_format=torch.channels_last)

    def _finer(self, coarse: Tensor, like: Tensor) -> Tensor:
        odd = [1 - side % 2 for side in like.shape[2:]]
        return F.conv_transpose2d(coarse, 4 * self._kernel, stride=2, padding=2, output_padding=odd, groups=3)


def _even(level: Tensor) -> Tensor:
    return level / level.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(_SMALLEST)
