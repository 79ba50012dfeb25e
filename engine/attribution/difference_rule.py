"""DeepLIFT's rules: a gradient passes a non-linearity by its slope from the reference, not by that at the picture."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convscope.engine.attribution.linear_graph import require_linear

# Counts as no difference. Slopes are taken in double precision, where those of float32 numbers are exact far below it.
TINY = 1e-8
# Functions that go number by number, under the names that they have in F, torch and Tensor.
_NAMES = (
    "relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "clip", "leaky_relu", "prelu", "threshold", "elu",
    "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh", "softplus",
    "softsign", "tanhshrink", "hardshrink", "softshrink",
)  # fmt: skip
# Those that copy a number or set it to a bound: their differences are exact in single precision too.
_COPYING = ("relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "clip")
_POOLINGS: dict[Any, Any] = {
    F.max_pool2d: F.max_pool2d_with_indices,
    torch.max_pool2d: F.max_pool2d_with_indices,
    F.adaptive_max_pool2d: F.adaptive_max_pool2d_with_indices,
}


def _spellings() -> Iterator[tuple[Any, tuple[Any, bool, torch.dtype]]]:
    """Every way to write a function, with the way out of place, whether this one is in place, and the precision."""
    for home in (F, torch, Tensor):
        for name in _NAMES:
            if hasattr(home, name):
                precision = torch.float32 if name in _COPYING else torch.float64
                yield getattr(home, name), (getattr(home, name), False, precision)
                if hasattr(home, f"{name}_"):
                    yield getattr(home, f"{name}_"), (getattr(home, name), True, precision)


_FUNCTIONS = dict(_spellings())


class DifferenceRule(TorchFunctionMode):
    """Within the block, gradients pass by DeepLIFT's rules through a batch of `count` pictures, then their references.

    They are multipliers at the pictures and zeros at the references. The network is not touched: what this thread calls
    is answered by functions of the same values. Who asks for a gradient within the block gets MethodUnsupported where
    it passes something that has no rule.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.autograd.grad:
            (value,), (pixels,), *_ = args
            require_linear(value, pixels, rules=(_Slope, _LargestOf))
        elif func in _FUNCTIONS or func in _POOLINGS:
            if not args:
                args = (kwargs.pop("input"),)
            answer = self._by_rule(func, *args, **kwargs) if self._is_pair(args[0]) else None
            if answer is not None:
                return answer
        return func(*args, **kwargs)

    def _is_pair(self, x: Tensor) -> bool:
        return x.requires_grad and x.shape[:1] == (2 * self._count,)

    def _by_rule(self, func: Any, x: Tensor, *others: Any, **named: Any) -> Any:
        """None where this is not what the rules are for. The functions of F hand on their options by name."""
        if func in _POOLINGS:
            if named.pop("return_indices", False):
                return None
            return _LargestOf.apply(x, lambda t: _POOLINGS[func](t, *others, **named))
        function, inplace, precision = _FUNCTIONS[func]
        inplace = named.pop("inplace", inplace)
        if not all(_is_constant(other) for other in (*others, *named.values())):
            return None

        def apply(t: Tensor) -> Any:
            return function(t, *(_like(other, t) for other in others), **{k: _like(v, t) for k, v in named.items()})

        return _Slope.apply(x, apply, inplace, precision)


def _is_constant(argument: Any) -> bool:
    """Whether an argument is no path of its own through the network: a number, or a parameter as PReLU has."""
    return not isinstance(argument, Tensor) or (argument.ndim <= 1 and argument.grad_fn is None)


def _like(argument: Any, t: Tensor) -> Any:
    return argument.to(t.dtype) if isinstance(argument, Tensor) else argument


class _Slope(torch.autograd.Function):
    """A function f of numbers: m = (f(x) - f(x')) / (x - x'), and f'(x) where these are the same. Rescale rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor], inplace: bool, precision: Any) -> Tensor:
        exact = x.detach().to(torch.promote_types(x.dtype, precision))
        values = function(exact)
        (at, reference), (y, y_reference) = exact.chunk(2), values.chunk(2)
        run = at - reference
        slope = (y - y_reference) / run
        same = run.abs() <= TINY
        if same.any():
            slope = torch.where(same, _derivative(function, at), slope)
        ctx.save_for_backward(slope.to(x.dtype))
        output = values if exact.dtype == x.dtype else function(x)
        if not inplace:
            return output
        ctx.mark_dirty(x)
        return x.copy_(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        found = torch.zeros_like(gradients[0])
        torch.mul(gradients[0].chunk(2)[0], slope, out=found.chunk(2)[0])
        return found, None, None, None


class _LargestOf(torch.autograd.Function):
    """Max pooling: each window's y - y' is the share of one place p, the largest of x where y >= y' and else of x'.

    There the signs agree, and m = (y - y') / (x_p - x'_p) is in 0..1 (1 for 0 / 0). What a place gets from several
    windows is added, so that the shares sum to the difference however they overlap.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        output, places = pool(x)
        (at, reference), (y, y_reference), (p, p_reference) = x.chunk(2), output.chunk(2), places.chunk(2)
        place = torch.where(y >= y_reference, p, p_reference).flatten(2)
        run = (at - reference).flatten(2).gather(2, place)
        share = torch.where(run == 0, 1, (y - y_reference).flatten(2) / run)
        ctx.save_for_backward(place, share)
        ctx.shape = at.shape[1:]
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        place, share = ctx.saved_tensors
        gradient = gradients[0].chunk(2)[0].flatten(2) * share
        found = gradient.new_zeros(2 * len(place), *ctx.shape)
        found.chunk(2)[0].flatten(2).scatter_add_(2, place, gradient)
        return found, None


def _derivative(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (derivative,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return derivative
