"""Feature vectors of pictures."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from convscope.engine.errors import MethodUnsupported
from convscope.engine.inspection.activations import activations
from convscope.engine.models.layers import Layer
from convscope.engine.models.model import Model


class _Reached(BaseException):
    """Ends the pass. No Exception, so that no network catches it."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


def embed(model: Model, images: Tensor, layer: str = "", *, module: nn.Module | None = None) -> Tensor:
    """Feature vectors, float32 [N, length], of `images`, [N, 3, H, W] as the network takes them.

    layer: whose answer is the feature vector: of one with a grid of places the mean over them, of another all its
    numbers in a row. Empty: what the classifier is given. module: what is run, a variant of the model that has the
    layer; None: its own. Raises UnknownName; MethodUnsupported for a network that has no classifier.
    """
    network = model.module if module is None else module
    if not layer:
        given = images.clone() if model.layers.writes_to_images else images
        return _given_to(network, classifier(model), given).flatten(1).float()
    return pooled(activations(model, images, [layer], module=network)[layer], model.layers.layer(layer))


def pooled(output: Tensor, layer: Layer) -> Tensor:
    """A layer's output, folded to its grid, as feature vectors, float32 [N, length]."""
    return (output if layer.grid is None else output.mean((2, 3))).flatten(1).float()


def classifier(model: Model) -> str:
    """The linear layer that gives the network's own output. Raises MethodUnsupported where there is none."""
    for layer in reversed(model.layers.layers):
        if layer.type == "Linear" and layer.output_shape == model.layers.output_shape:
            return layer.name
    raise MethodUnsupported("this network has no last linear layer whose input to take; name a layer", field="layer")


def embedding_length(model: Model, layer: str = "") -> int:
    """How many numbers embed() gives for a picture. Raises what it raises."""
    if layer:
        found = model.layers.layer(layer)
        return found.channels if found.grid is not None else int(torch.Size(found.output_shape).numel())
    linear = model.module.get_submodule(classifier(model))
    assert isinstance(linear, nn.Linear)
    return linear.in_features


@torch.no_grad()
def _given_to(network: nn.Module, name: str, images: Tensor) -> Tensor:
    mine = threading.get_ident()

    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        if threading.get_ident() == mine:
            raise _Reached(given[0].clone())

    handle = network.get_submodule(name).register_forward_pre_hook(note)
    try:
        network(images)
    except _Reached as reached:
        return reached.features
    finally:
        handle.remove()
    raise MethodUnsupported(f"the network no longer runs its layer {name!r}", field="layer")
