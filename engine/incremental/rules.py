"""Which layers can be computed on a part of their input, and how.

A layer with no rule is computed on whole maps, and so is all that follows it.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, fx, nn

from convscope.engine.incremental.region import Box, Region

Pair = tuple[int, int]


@dataclass(frozen=True)
class Pixelwise:
    """A pixel of the output depends on the same pixel of every input; the layer itself runs on the parts."""


@dataclass(frozen=True)
class Window:
    """A window slides over the input: convolution, pooling, padding."""

    run: Callable[[Tensor], Tensor]
    """The layer without its padding."""
    kernel: Pair
    stride: Pair
    padding: Pair
    """Rows above and columns left of the input; those below and right follow from the shape of the output."""
    dilation: Pair
    fill: float
    """What the padding is filled with."""
    shape: torch.Size
    """Of the output for one picture: [1, C, H, W]."""
    work: float
    """Multiply-adds a pixel of the output."""
    factor: Tensor | None = None
    """[1, 1, H, W], with which the output of `run` has to be multiplied."""

    def is_point(self, shape: torch.Size) -> bool:
        """Whether a pixel of the output depends on the same one of an input of that shape."""
        same = shape[-2:] == self.shape[-2:]
        return same and (self.kernel, self.stride, self.padding) == ((1, 1), (1, 1), (0, 0))

    def region(self, region: Region) -> Region:
        """The outputs that see a region of the input."""
        height, width = self.shape[-2:]
        spans = zip(
            (region.rows, region.columns), self.kernel, self.stride, self.padding, self.dilation, (height, width),
            strict=True,
        )  # fmt: skip
        rows, columns = (span.through(*settings) for span, *settings in spans)
        return Region(rows, columns)

    def inputs(self, box: Box) -> Box:
        """The inputs that the outputs in a box are computed from, padding included."""
        sizes = zip((box.height, box.width), self.kernel, self.stride, self.dilation, strict=True)
        height, width = ((size - 1) * stride + (kernel - 1) * dilation + 1 for size, kernel, stride, dilation in sizes)
        tops, lefts = box.tops * self.stride[0] - self.padding[0], box.lefts * self.stride[1] - self.padding[1]
        return Box(tops, lefts, height, width)

    def on(self, part: Tensor, box: Box) -> Tensor:
        """The outputs in a box, from their inputs."""
        output = self.run(part)
        if self.factor is not None:
            rows, columns = box.tops[:, None] + np.arange(box.height), box.lefts[:, None] + np.arange(box.width)
            output *= self.factor[0, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)
        return output


Rule = Window | Pixelwise | None

# Both as torch.relu and as F.relu, Tensor.relu and in place with an underscore, as far as there are such.
_PIXELWISE_NAMES = [
    "relu",
    "relu6",
    "silu",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "sigmoid",
    "tanh",
    "gelu",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "softplus",
    "mish",
    "threshold",
    "dropout",
    "dropout2d",
    "batch_norm",
    "add",
    "sub",
    "mul",
    "div",
    "true_divide",
    "neg",
    "abs",
    "exp",
    "sqrt",
    "square",
    "pow",
    "clamp",
    "clip",
    "clamp_min",
    "clamp_max",
    "maximum",
    "minimum",
]
_PIXELWISE_METHODS = frozenset(
    [*_PIXELWISE_NAMES, *(f"{name}_" for name in _PIXELWISE_NAMES), "contiguous", "clone", "float", "bfloat16"]
)
_PIXELWISE_FUNCTIONS = frozenset(
    [getattr(home, name) for home in (torch, F) for name in _PIXELWISE_METHODS if hasattr(home, name)]
    + [
        getattr(operator, name)
        for name in ["add", "iadd", "sub", "isub", "mul", "imul", "truediv", "itruediv", "neg", "pow"]
    ]
    + [torchvision.ops.stochastic_depth]
)
_PIXELWISE_MODULES = (
    nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.GELU, nn.ELU,
    nn.SELU, nn.CELU, nn.LeakyReLU, nn.PReLU, nn.Softplus, nn.Softsign, nn.Mish, nn.Threshold, nn.LogSigmoid,
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d,
)  # fmt: skip
_CONCATENATIONS = frozenset({torch.cat, torch.concat, torch.concatenate})

# The arguments of the functions that slide windows; modules have attributes of the same names.
_SETTINGS: Mapping[Callable[..., Any], Sequence[str]] = {
    F.conv2d: ("weight", "bias", "stride", "padding", "dilation", "groups"),
    F.max_pool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    F.avg_pool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    F.pad: ("pad", "mode", "value"),
}
_WINDOW_MODULES: Mapping[type[nn.Module], Callable[..., Any]] = {
    nn.Conv2d: F.conv2d,
    nn.MaxPool2d: F.max_pool2d,
    nn.AvgPool2d: F.avg_pool2d,
    nn.ZeroPad2d: F.pad,
    nn.ConstantPad2d: F.pad,
}
_WINDOW_FUNCTIONS = {function: function for function in _SETTINGS} | {torch.max_pool2d: F.max_pool2d}


def rule_for(
    node: fx.Node, called: Any, value: Callable[[fx.Node], Any], changing: Sequence[fx.Node], output: Any
) -> Rule:
    """The rule for an operation, from what it did with the undisturbed picture.

    `called` is a module, a function or the name of a method, `changing` the inputs that depend on the picture.
    """
    if not isinstance(output, Tensor) or output.ndim not in (3, 4) or len(output) != 1:
        return None
    if any(not isinstance(value(given), Tensor) or len(value(given)) != 1 for given in changing):
        return None
    arguments, options = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
    if _is_pixelwise(called, arguments, options, output):
        fixed = [value(given) for given in node.all_input_nodes if given not in changing]
        same = all(value(given).shape[-2:] == output.shape[-2:] for given in changing)
        uniform = all(size == 1 for constant in fixed if isinstance(constant, Tensor) for size in constant.shape[-2:])
        return Pixelwise() if same and uniform else None
    function = _WINDOW_MODULES.get(type(called)) or _WINDOW_FUNCTIONS.get(called)
    if function is None or output.ndim != 4 or tuple(changing) != tuple(node.args[:1]):
        return None
    names = _SETTINGS[function]
    if isinstance(called, nn.ConstantPad2d):
        settings: dict[str, Any] = {"pad": called.padding, "value": called.value}
    elif isinstance(called, nn.Module):
        settings = {name: getattr(called, name) for name in names if hasattr(called, name)}
        if getattr(called, "padding_mode", "zeros") != "zeros":
            return None
    else:
        settings = dict(zip(names, arguments[1:], strict=False)) | options
    return _WINDOWS[function](arguments[0], output, **settings)


def _is_pixelwise(called: Any, arguments: Sequence[Any], options: Mapping[str, Any], output: Tensor) -> bool:
    if isinstance(called, nn.Module):
        return type(called) in _PIXELWISE_MODULES
    if called in _CONCATENATIONS:
        return output.ndim == 4 and (*arguments[1:], *options.values()) in ((1,), (-3,))
    if called in (operator.getitem, torch.unsqueeze, "unsqueeze"):
        # One channel, as networks take them apart that were trained with other channel statistics.
        one = arguments[1] if len(arguments) > 1 else None
        if called is operator.getitem:
            return isinstance(one, tuple) and len(one) == 2 and one[0] == slice(None) and isinstance(one[1], int)
        return one == 1 and output.ndim == 4
    return called in (_PIXELWISE_METHODS if isinstance(called, str) else _PIXELWISE_FUNCTIONS)


def _pair(value: int | Sequence[int]) -> Pair:
    if isinstance(value, int):
        return value, value
    return (value[0], value[-1])


def _convolution(
    given: Tensor,
    output: Tensor,
    *,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Window:
    kernel, stride, dilation = (weight.shape[2], weight.shape[3]), _pair(stride), _pair(dilation)
    if padding == "same":
        padding = [(size - 1) * step // 2 for size, step in zip(kernel, dilation, strict=True)]
    before = (0, 0) if isinstance(padding, str) else _pair(padding)

    def run(part: Tensor) -> Tensor:
        return F.conv2d(part, weight, bias, stride, 0, dilation, groups)

    return Window(run, kernel, stride, before, dilation, 0.0, output.shape, float(weight.numel()))


def _max_pooling(
    given: Tensor,
    output: Tensor,
    *,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Window:
    kernel, step, spread = _pair(kernel_size), _pair(stride or kernel_size), _pair(dilation)

    def run(part: Tensor) -> Tensor:
        return F.max_pool2d(part, kernel, step, 0, spread)

    work = float(kernel[0] * kernel[1] * output.shape[1])
    return Window(run, kernel, step, _pair(padding), spread, float("-inf"), output.shape, work)


def _average_pooling(
    given: Tensor,
    output: Tensor,
    *,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Window:
    kernel, step, before = _pair(kernel_size), _pair(stride or kernel_size), _pair(padding)

    def run(part: Tensor) -> Tensor:
        return F.avg_pool2d(part, kernel, step, 0)

    ones = torch.ones_like(given[:, :1])
    right = F.avg_pool2d(ones, kernel, step, before, ceil_mode, count_include_pad, divisor_override)
    # The sum of a window, filled up with zeros, over its full size: `run` of a cut.
    area = kernel[0] * kernel[1]
    (top, left), (height, width) = before, output.shape[-2:]
    below, beside = ((n - 1) * s + k for n, s, k in zip((height, width), step, kernel, strict=True))
    filled = F.pad(ones, (left, beside - left - ones.shape[3], top, below - top - ones.shape[2]))
    factor = right / run(filled)
    work = float(area * output.shape[1])
    even = bool((factor == 1).all())
    return Window(run, kernel, step, before, (1, 1), 0.0, output.shape, work, None if even else factor)


def _padding(
    given: Tensor, output: Tensor, *, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Rule:
    if mode != "constant" or len(pad) not in (2, 4) or min(pad) < 0:
        return None
    before = (pad[2] if len(pad) == 4 else 0, pad[0])
    return Window(lambda part: part, (1, 1), (1, 1), before, (1, 1), float(value or 0), output.shape, 1.0)


_WINDOWS: Mapping[Callable[..., Any], Callable[..., Rule]] = {
    F.conv2d: _convolution,
    F.max_pool2d: _max_pooling,
    F.avg_pool2d: _average_pooling,
    F.pad: _padding,
}
