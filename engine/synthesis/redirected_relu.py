"""A way out for units that are dead at the start: gradients pass a ReLU that would wake them. Lucid's code, used by
Olah et al. 2017."""

import torch
from torch import Tensor


def redirected_rule(x: Tensor, gradient: Tensor, upper: float) -> Tensor:
    """R = [0 < x < upper] g of a picture for which that is not all zero; else also g where it would bring x back.

    A BackwardRule: x is the ReLU's output, g the gradient of what is ascended there.
    """
    open_ = (x > 0) & (x < upper)
    passed = gradient * open_
    back = (x <= 0) & (gradient > 0) | (x >= upper) & (gradient < 0)
    alive = passed.flatten(1).any(dim=1).view(-1, *[1] * (x.ndim - 1))
    return torch.where(alive, passed, gradient * (open_ | back))
