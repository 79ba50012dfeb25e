"""The layers of a network, as one forward pass shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, MethodUnsupported, UnknownName


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

    @property
    def spatial(self) -> bool:
        """Whether the output is [channels, height, width] with more than one place."""
        return len(self.output_shape) == 3 and self.output_shape[1] * self.output_shape[2] > 1


@dataclass(frozen=True)
class LayerMap:
    """Every layer in the order in which a pass finishes them, and the one that Grad-CAM should use."""

    layers: tuple[Layer, ...]
    suggested: str | None
    """The last layer with a spatial output that is no mere pooling of another; None where there is none."""
    output_shape: tuple[int, ...]
    """Shape of the network's own output for one picture."""

    def spatial(self, name: str | None) -> str:
        """The layer of that name, or the suggested one for None; it has a spatial output.

        Raises UnknownName with the nearest names, InvalidInput (LAYER_NOT_SPATIAL), MethodUnsupported where the
        network has no such layer at all.
        """
        if name is None:
            if self.suggested is None:
                raise MethodUnsupported("this network has no layer with a spatial output", field="layer")
            return self.suggested
        for layer in self.layers:
            if layer.name == name:
                if layer.spatial:
                    return name
                message = f"the layer {name!r} has the output shape {list(layer.output_shape)}, which is not spatial"
                raise InvalidInput(message, field="layer", reason="LAYER_NOT_SPATIAL")
        raise UnknownName("layer", name, [layer.name for layer in self.layers], field="layer")


_POOLING = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd,
            nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd)  # fmt: skip
_PASSING_ON = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Flatten)


@torch.no_grad()
def map_layers(module: nn.Module, images: Tensor) -> LayerMap:
    """Run `images` ([N, 3, H, W]; the first is enough) once and note every module that finishes.

    A container counts like its parts: ResNet's `layer4` and `layer4.1` are both layers.
    """
    finished: list[tuple[str, nn.Module, Tensor]] = []

    def note(name: str) -> Any:
        def hook(part: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim > 0:
                finished.append((name, part, output))

        return hook

    handles = [part.register_forward_hook(note(name)) for name, part in module.named_modules() if name]
    try:
        output = module(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor):
        raise MethodUnsupported(f"the network's output is a {type(output).__name__}, no tensor", field="model")
    last_run = {name: place for place, (name, _, _) in enumerate(finished)}
    calls = {name: sum(name == other for other, _, _ in finished) for name in last_run}
    runs = [finished[place] for place in sorted(last_run.values())]
    layers = tuple(
        Layer(name, type(part).__name__, tuple(tensor.shape[1:]), calls[name]) for name, part, tensor in runs
    )
    pooled = {id(tensor) for _, part, tensor in finished if isinstance(part, _POOLING)}
    suggested = None
    for layer, (name, part, tensor) in zip(layers, runs, strict=True):
        if layer.spatial and id(tensor) not in pooled and not isinstance(part, _POOLING + _PASSING_ON):
            suggested = name
    return LayerMap(layers, suggested, tuple(output.shape[1:]))


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


class Capture:
    """The last output of a layer during a pass, cut out of the graph before it."""

    activation: Tensor


@contextmanager
def graph_from(layer: nn.Module) -> Iterator[Capture]:
    """Within the block no graph is built before `layer`, and one from there on.

        images ── no graph ── layer ─┬─ activation (leaf, requires a gradient)
                                     └─ clone ── graph ── scores

    Hands on a clone, so that the activation stays what it was where an in-place operation follows
    (DenseNet's last norm). A layer that runs several times is cut at every run; the last one counts.
    """
    capture = Capture()

    def cut(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        capture.activation = output.detach().requires_grad_()
        torch.set_grad_enabled(True)
        return capture.activation.clone()

    handle = layer.register_forward_hook(cut)
    try:
        with torch.no_grad():
            yield capture
    finally:
        handle.remove()
