"""What a convolution looks for: its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.models.model import Model

_Convolution = nn.Conv2d | nn.ConvTranspose2d


@torch.no_grad()
def filters(model: Model, layer: str, outputs: Sequence[int] = (), inputs: Sequence[int] = ()) -> Tensor:
    """The weights of a two-dimensional convolution, float32 [outputs, inputs of a group, height, width], a copy on the
    CPU.

    layer: any Conv2d or ConvTranspose2d of the network, run or not. outputs: filters, which are the output channels, by
    number and in that order; none: all. inputs: input channels within a filter's group; none: all. One may come twice,
    but of either no more than there are. Weights are as the model was loaded, no batch norm folded into them; computed
    ones (weight norm) are those that count. A transposed convolution's are what one input value adds to the output, not
    mirrored.

    Raises UnknownName; InvalidInput (LAYER_WITHOUT_FILTERS) for another layer, (OUT_OF_RANGE, field `outputs` or
    `inputs`) for a number that is not there, and for more numbers than there are.
    """
    weight = _by_outputs(_convolution(model, layer))
    _check(outputs, weight.shape[0], "outputs", f"the layer {layer!r} has filters")
    _check(inputs, weight.shape[1], "inputs", f"a filter of the layer {layer!r} has input channels")
    if outputs:
        weight = weight[torch.tensor(outputs, device=weight.device)]
    if inputs:
        weight = weight[:, torch.tensor(inputs, device=weight.device)]
    return weight.to("cpu", torch.float32, copy=True, memory_format=torch.contiguous_format)


@dataclass(frozen=True)
class FilterShape:
    """How many filters there are."""

    outputs: int
    inputs: int
    """Input channels that a filter sees: those of its group."""
    groups: int


def filter_shape(model: Model, layer: str) -> FilterShape:
    """How many filters a convolution has. Raises as filters()."""
    convolution = _convolution(model, layer)
    groups = convolution.groups
    return FilterShape(convolution.out_channels, convolution.in_channels // groups, groups)


def _by_outputs(convolution: _Convolution) -> Tensor:
    weight = convolution.weight.detach()
    if isinstance(convolution, nn.Conv2d):
        return weight
    # [groups x inputs, outputs, ...], the outputs of the first group, then those of the second
    grouped = weight.reshape(convolution.groups, -1, *weight.shape[1:])
    return grouped.transpose(1, 2).flatten(0, 1)


def _convolution(model: Model, layer: str) -> _Convolution:
    parts = {name: part for name, part in model.module.named_modules() if name}
    convolutions = [name for name, part in parts.items() if isinstance(part, _Convolution)]
    if layer not in parts:
        raise UnknownName("layer", layer, convolutions, field="layer")
    found = parts[layer]
    if isinstance(found, _Convolution):
        return found
    inside = [name for name in convolutions if name.startswith(f"{layer}.")]
    near = inside or get_close_matches(layer, convolutions, n=5, cutoff=0)
    shown = ", ".join(near[:5]) + (", ..." if len(near) < len(convolutions) or len(near) > 5 else "")
    message = f"the layer {layer!r} is a {type(found).__name__}, which has no filters on a grid; convolutions: "
    raise InvalidInput(message + (shown or "none"), field="layer", reason="LAYER_WITHOUT_FILTERS")


def _check(numbers: Sequence[int], count: int, field: str, what: str) -> None:
    # Some may be named twice, but no more come back than there are: lists multiply.
    if len(numbers) > count:
        message = f"{what} 0 to {count - 1}; {len(numbers)} are more than that"
        raise InvalidInput(message, field=field, reason="OUT_OF_RANGE")
    for number in numbers:
        if not 0 <= number < count:
            raise InvalidInput(f"{what} 0 to {count - 1}, not {number}", field=field, reason="OUT_OF_RANGE")
