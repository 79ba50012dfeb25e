"""What stands between the pixels and what is explained, read from the graph that autograd keeps."""

from collections.abc import Collection, Iterable

from torch import Tensor
from torch.autograd import Function
from torch.autograd.graph import Node

from convscope.engine.attribution.fixed_norm import FixedBatchNorm
from convscope.engine.errors import MethodUnsupported

# As autograd names them, but for "Backward0" at the end. Linear in all inputs together, or linear but for a constant.
_SUMS = {
    "Add", "Sub", "Rsub", "Neg", "Cat", "Stack", "Mean", "Sum", "View", "UnsafeView", "ReshapeAlias", "AsStrided",
    "Alias", "Clone", "ToCopy", "Permute", "Transpose", "T", "Squeeze", "Unsqueeze", "Expand", "Repeat", "Select",
    "Slice", "Split", "SplitWithSizes", "Unbind", "Gather", "Roll", "Flip", "PixelShuffle", "PixelUnshuffle",
    "ConstantPadNd", "ReflectionPad2D", "ReplicationPad2D", "AvgPool2D", "AdaptiveAvgPool2D",
    "MkldnnAdaptiveAvgPool2D", "UpsampleNearest2D", "UpsampleBilinear2D", "UpsampleBicubic2D",
}  # fmt: skip
# Linear in one input where the others are constants.
_PRODUCTS = {"Mul", "Div", "Mm", "Mv", "Bmm", "Addmm", "Addmv", "Baddbmm", "Convolution"}
# Linear where their statistics are constants.
_BATCH_NORMS = {"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"}


def require_linear(value: Tensor, pixels: Tensor, *, rules: Iterable[type[Function]]) -> None:
    """Raise MethodUnsupported unless all that leads from the leaf `pixels` to `value` is linear or one of `rules`.

    A mask that a network makes of its activations, as in x * (x > 0), passes for a constant: autograd knows no better.
    """
    between = _between(value, pixels)
    known: list[type[Function]] = [*rules, FixedBatchNorm]
    allowed = {"torch::autograd::AccumulateGrad", *(f"{rule.__name__}Backward" for rule in known)}
    strange = dict.fromkeys(
        _describe(node) for node in between if node.name() not in allowed and not _is_linear(node, between)
    )
    if strange:
        message = f"the network has {' and '.join(strange)}; without a rule for that the values would not add up"
        raise MethodUnsupported(message, field="method")


def _between(value: Tensor, pixels: Tensor) -> dict[Node, None]:
    """The nodes on a way from the pixels to the value, from the pixels on."""
    above: dict[Node, list[Node]] = {}
    start = None
    waiting = [value.grad_fn] if value.grad_fn is not None else []
    above.update((node, []) for node in waiting)
    while waiting:
        node = waiting.pop()
        if getattr(node, "variable", None) is pixels:
            start = node
        for below, _ in node.next_functions:
            if below is None:
                continue
            if below not in above:
                above[below] = []
                waiting.append(below)
            above[below].append(node)
    found = {start: None} if start is not None else {}
    waiting = list(found)
    while waiting:
        for node in above[waiting.pop()]:
            if node not in found:
                found[node] = None
                waiting.append(node)
    return found


def _is_linear(node: Node, between: Collection[Node]) -> bool:
    name = _name(node)
    if name in _PRODUCTS:
        depends = [below is not None and below in between for below, _ in node.next_functions]
        return sum(depends) == 1 and not (name == "Div" and depends[1])
    return name in _SUMS or (name in _BATCH_NORMS and not getattr(node, "_saved_training", True))


def _describe(node: Node) -> str:
    """What is not linear, in the words of who builds networks."""
    name = _name(node)
    if name in _PRODUCTS:
        return "a product of two paths (squeeze-and-excitation, attention)"
    if name in _BATCH_NORMS:
        return "batch norm in training mode"
    if "Norm" in name:
        return "a norm by the activations' own statistics (layer norm)"
    if "Softmax" in name or name.startswith("ScaledDotProduct"):
        return "a softmax between its layers (attention)"
    return f"the operation {name}"


def _name(node: Node) -> str:
    return node.name().rstrip("0123456789").removesuffix("Backward")
