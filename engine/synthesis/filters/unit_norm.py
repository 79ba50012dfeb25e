"""Steps as long in a flat place as in a steep one, and in one network as in another."""

import torch
from torch import Tensor


class UnitNorm:
    """Divides each picture's gradient by its Euclidean norm; one of zeros stays one."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        ones = [1] * (gradient.ndim - 1)
        # Divided by the largest first: squares of 1e-20 are zero in float32.
        scaled = gradient / _not_zero(gradient.abs().flatten(1).amax(dim=1)).view(-1, *ones)
        return scaled / _not_zero(scaled.flatten(1).norm(dim=1)).view(-1, *ones)


def _not_zero(tensor: Tensor) -> Tensor:
    return tensor.clamp_min(torch.finfo(tensor.dtype).tiny)
