"""The layers of a network, as one forward pass shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, MethodUnsupported, UnknownName

Layout = Literal["channels_first", "channels_last", "tokens"]
"""[channels, height, width], as convolutions have it; [height, width, channels], as in Swin; [tokens, channels], as in
ViT: the grid row by row, behind the tokens that stand for no place."""


@dataclass(frozen=True)
class Layer:
    """A module with a tensor for output."""

    name: str
    """Dotted name, as named_modules() gives it."""
    type: str
    """Class of the module."""
    output_shape: tuple[int, ...]
    """Shape of its output for one picture, without the batch."""
    calls: int
    """How often one forward pass runs it. Who looks at a layer looks at its last run."""
    grid: tuple[int, int] | None = None
    """Height and width of the grid of places in the output; None where there is none."""
    layout: Layout = "channels_first"
    """How the output holds its grid."""

    @property
    def channels(self) -> int:
        """How many channels the output has."""
        return self.output_shape[0 if self.grid and self.layout == "channels_first" else -1]

    @property
    def spatial(self) -> bool:
        """Whether the output has a grid of more than one place."""
        return self.grid is not None and self.grid[0] * self.grid[1] > 1


@dataclass(frozen=True)
class LayerMap:
    """Every layer in the order in which a pass finishes them, and the one that Grad-CAM should use."""

    layers: tuple[Layer, ...]
    suggested: str | None
    """The last layer with a spatial output that is no mere pooling of another and, in a transformer, comes before the
    last attention (behind it only the class token is read); None where there is none."""
    output_shape: tuple[int, ...]
    """Shape of the network's own output for one picture."""
    writes_to_images: bool = False
    """Whether the network changes its input in place; who needs that afterwards gives it a copy."""

    def layer(self, name: str) -> Layer:
        """The layer of that name. Raises UnknownName with the nearest names."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise UnknownName("layer", name, [layer.name for layer in self.layers], field="layer")

    def spatial(self, name: str | None) -> str:
        """The layer of that name, or the suggested one for None; it has a spatial output.

        Raises UnknownName with the nearest names, InvalidInput (LAYER_NOT_SPATIAL), MethodUnsupported where the
        network has no such layer at all.
        """
        if name is None:
            if self.suggested is None:
                raise MethodUnsupported("this network has no layer with a spatial output", field="layer")
            return self.suggested
        layer = self.layer(name)
        if not layer.spatial:
            message = f"the layer {name!r} has the output shape {list(layer.output_shape)}, which is not spatial"
            raise InvalidInput(message, field="layer", reason="LAYER_NOT_SPATIAL")
        return name


_POOLING = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd,
            nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd)  # fmt: skip
_PASSING_ON = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Flatten)


@torch.no_grad()
def map_layers(module: nn.Module, images: Tensor) -> LayerMap:
    """Run `images` ([N, 3, H, W]; the first is enough) once and note every module that finishes.

    A container counts like its parts: ResNet's `layer4` and `layer4.1` are both layers.
    """
    image = images[:1].clone()
    version = image._version
    finished: list[tuple[str, nn.Module, Tensor]] = []
    before_attention: int | None = None

    def note(name: str) -> Any:
        def hook(part: nn.Module, _: Any, output: Any) -> None:
            nonlocal before_attention
            if isinstance(output, Tensor) and output.ndim > 1:
                finished.append((name, part, output))
            if isinstance(part, nn.MultiheadAttention):
                before_attention = len(finished)

        return hook

    handles = [part.register_forward_hook(note(name)) for name, part in module.named_modules() if name]
    try:
        output = module(image)
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor):
        raise MethodUnsupported(f"the network's output is a {type(output).__name__}, no tensor", field="model")
    last_run = {name: place for place, (name, _, _) in enumerate(finished)}
    calls = {name: sum(name == other for other, _, _ in finished) for name in last_run}
    runs = [finished[place] for place in sorted(last_run.values())]
    layers: list[Layer] = []
    for name, part, tensor in runs:
        shape = tuple(tensor.shape[1:])
        grid, layout = _grid_of(shape, images.shape[2:], [layer.grid for layer in layers if layer.grid])
        layers.append(Layer(name, type(part).__name__, shape, calls[name], grid, layout))
    pooled = {id(tensor) for _, part, tensor in finished if isinstance(part, _POOLING)}
    candidates = [run[0] for run in finished[:before_attention]]
    suggested = None
    for layer, (name, part, tensor) in zip(layers, runs, strict=True):
        mere = id(tensor) in pooled or isinstance(part, _POOLING + _PASSING_ON)
        if layer.spatial and not mere and name in candidates:
            suggested = name
    return LayerMap(tuple(layers), suggested, tuple(output.shape[1:]), image._version != version)


# A transformer may have tokens for the class, for distillation, and registers.
_MOST_OTHER_TOKENS = 8


def _grid_of(
    shape: tuple[int, ...], size: Sequence[int], known: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int] | None, Layout]:
    """The grid in an output for one picture of `size` (height, width), where layers before have the grids `known`."""
    if len(shape) == 3:
        if _is_like(shape[:2], size) and not _is_like(shape[1:], size):
            return (shape[0], shape[1]), "channels_last"
        return (shape[1], shape[2]), "channels_first"
    if len(shape) == 2:
        for height, width in reversed(known):
            if height * width > 1 and 0 <= shape[0] - height * width <= _MOST_OTHER_TOKENS:
                return (height, width), "tokens"
    return None, "channels_first"


def _is_like(grid: tuple[int, ...], size: Sequence[int]) -> bool:
    """Whether a grid has the proportions of a picture, but for one place of rounding."""
    return abs(grid[0] * size[1] - grid[1] * size[0]) <= max(size)


def fold_grid(output: Tensor, layer: Layer) -> Tensor:
    """The output of a layer for a batch as [N, channels, height, width]; one without a grid stays as it is."""
    if layer.grid is None or layer.layout == "channels_first":
        return output
    if layer.layout == "channels_last":
        return output.permute(0, 3, 1, 2)
    height, width = layer.grid
    places = output[:, output.shape[1] - height * width :]
    return places.transpose(1, 2).reshape(len(output), -1, height, width)


_maps: WeakKeyDictionary[nn.Module, dict[torch.Size, LayerMap]] = WeakKeyDictionary()


def remember_layers(module: nn.Module, images: Tensor, layers: LayerMap) -> None:
    """Make `layers` what remembered_layers() gives for a network and images of that size."""
    _maps.setdefault(module, {})[images.shape[1:]] = layers


def remembered_layers(module: nn.Module, images: Tensor) -> LayerMap:
    """map_layers(), run once for each network and size of images."""
    found = _maps.get(module, {}).get(images.shape[1:])
    if found is None:
        found = map_layers(module, images)
        remember_layers(module, images, found)
    return found


def share_layers(module: nn.Module, copy: nn.Module) -> None:
    """Make what is remembered of a network, now and later, what remembered_layers() gives for a copy of it."""
    _maps[copy] = _maps.setdefault(module, {})
