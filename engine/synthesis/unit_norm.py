"""Steps as long in a flat place as in a steep one, and in one network as in another."""

import torch
from torch import Tensor


class UnitNorm:
    """Divides each picture's gradient by its Euclidean norm; one of zeros stays one."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        # Divided by the largest first: squares of 1e-20 are zero in float32.
        scaled = gradient / _not_zero(gradient.abs().amax(dim=(1, 2, 3), keepdim=True))
        return scaled / _not_zero(scaled.square().sum(dim=(1, 2, 3), keepdim=True).sqrt())


def _not_zero(tensor: Tensor) -> Tensor:
    return tensor.clamp_min(torch.finfo(tensor.dtype).tiny)
