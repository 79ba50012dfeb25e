"""Batch norm with fixed statistics: forwards as torch has it, backwards as the one multiplication that it is."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Of fewer numbers torch's own way is as fast.
FEWEST = 1 << 17


class FixedNorm(TorchFunctionMode):
    """Within the block gradients pass this thread's batch norms, those that run with kept statistics, at a third of
    the time: torch also sums up what the gradients of weight and bias would be. The network is not touched."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(  # noqa: PLR0917  # torch's own arguments
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    learned = any(tensor is not None and tensor.requires_grad for tensor in (weight, bias))
    by_torch = training or learned or not x.requires_grad or x.numel() < FEWEST
    if by_torch or running_mean is None or running_var is None:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    output: Tensor = FixedBatchNorm.apply(x, running_mean, running_var, weight, bias, eps)
    return output


class FixedBatchNorm(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, constant but for x."""

    @staticmethod
    def forward(  # noqa: PLR0917  # torch passes by position
        ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        ctx.constants = var, weight, eps
        return F.batch_norm(x, mean, var, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        var, weight, eps = ctx.constants
        scale = (var + eps).rsqrt()
        if weight is not None:
            scale = scale * weight
        return gradient * scale.view(-1, *[1] * (gradient.dim() - 2)).to(gradient.dtype), None, None, None, None, None
