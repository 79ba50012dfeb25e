"""How a gradient passes a ReLU: the ordinary way, deconvnet's and guided backprop's."""

from collections.abc import Callable
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convscope.engine.errors import MethodUnsupported

BackwardRule = Callable[[Tensor, Tensor, float], Tensor]
"""(x, dL/dy, upper) to R: x before or after the ReLU (its sign is the same), upper: 6 for ReLU6, else infinity."""


def deconvnet_rule(x: Tensor, gradient: Tensor, upper: float) -> Tensor:
    """R = [dL/dy > 0] dL/dy: the signal is rectified on its way back. Zeiler & Fergus 2014."""
    return gradient.clamp(min=0)


def guided_rule(x: Tensor, gradient: Tensor, upper: float) -> Tensor:
    """R = [0 < x < upper] [dL/dy > 0] dL/dy. Springenberg et al. 2014."""
    rectified = gradient.clamp(min=0)
    if upper == inf:
        passed: Tensor = torch.ops.aten.threshold_backward(rectified, x, 0)
    else:
        passed = torch.ops.aten.hardtanh_backward(rectified, x, 0, upper)
    return passed


class _Rectified(torch.autograd.Function):
    """min(max(x, 0), upper) with a backward rule of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, upper: float, inplace: bool, rule: BackwardRule) -> Tensor:
        if inplace:
            ctx.mark_dirty(x)
        output = _rectify(x, upper, inplace)
        ctx.save_for_backward(output)
        ctx.upper, ctx.rule = upper, rule
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (output,) = ctx.saved_tensors
        return ctx.rule(output, gradients[0], ctx.upper), None, None, None


def _rectify(x: Tensor, upper: float, inplace: bool) -> Tensor:
    if upper == inf:
        return x.relu_() if inplace else x.relu()
    return x.clamp_(0, upper) if inplace else x.clamp(0, upper)


def _relu(x: Tensor, inplace: bool = False) -> tuple[Tensor, float, bool]:
    return x, inf, inplace


def _relu_(x: Tensor) -> tuple[Tensor, float, bool]:
    return x, inf, True


def _relu6(x: Tensor, inplace: bool = False) -> tuple[Tensor, float, bool]:
    return x, 6.0, inplace


def _hardtanh(x: Tensor, min_val: float = -1, max_val: float = 1, inplace: bool = False) -> Any:
    return (x, max_val, inplace) if min_val == 0 else None


# Every way to write a ReLU that modules and functional code have, with how its arguments are read.
_RELUS: dict[Any, Callable[..., Any]] = {
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    F.relu_: _relu_,
    torch.relu_: _relu_,
    Tensor.relu_: _relu_,
    F.relu6: _relu6,
    F.hardtanh: _hardtanh,
}


class ReluRule(TorchFunctionMode):
    """Within the block the ReLUs of this thread pass gradients by `rule`; the network is not touched.

    Raises MethodUnsupported on leaving where a pass met no ReLU, unless none is `needed`.
    """

    def __init__(self, rule: BackwardRule, *, needed: bool = True) -> None:
        super().__init__()
        self._rule = rule
        self._met = not needed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        read = _RELUS.get(func)
        arguments = read(*args, **(kwargs or {})) if read else None
        if arguments is None:
            return func(*args, **(kwargs or {}))
        self._met = True
        return _Rectified.apply(*arguments, self._rule)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        if kind is None and not self._met:
            message = "the network has no ReLU, whose backward rule is all that this method changes"
            raise MethodUnsupported(message, field="method")
