"""Steps that promise one rise, whatever the gradient's length. Yosinski et al. 2015, the code's rate by progress."""

import torch
from torch import Tensor


class Progress:
    """Divides each picture's gradient by its squared Euclidean norm: by the first order, a step of size s rises by s.
    One of zeros stays one."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        squares = gradient.flatten(1).square().sum(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
        return gradient / squares.view(-1, *[1] * (gradient.ndim - 1))
