"""Steps of one length on average, whatever the gradient's. Mordvintsev et al. 2015, the code."""

import torch
from torch import Tensor


class MeanMagnitude:
    """Divides each picture's gradient by the mean of its absolute values; one of zeros stays one."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        means = gradient.abs().flatten(1).mean(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
        return gradient / means.view(-1, *[1] * (gradient.ndim - 1))
