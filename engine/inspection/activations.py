"""What layers answer to pictures."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope.engine.errors import MethodUnsupported, UnknownName
from convscope.engine.models.layers import Layer, fold_grid
from convscope.engine.models.model import Model

Order = Literal["index", "maximum", "mean"]
"""By number; by the largest value, the largest first; by the mean, the largest first."""


class _Finished(BaseException):
    """Ends the pass. No Exception, so that no network catches it."""


def activations(
    model: Model, images: Tensor, layers: Sequence[str], *, module: nn.Module | None = None
) -> dict[str, Tensor]:
    """The output of each layer, by its name, from one pass that ends behind the last of them.

    images: [N, 3, H, W] as the network takes them. module: what is run, a variant of the model in which the layers give
    what they give in its own; None: its own.

    [N, channels, height, width] where the layer has a grid, whatever the network's own layout; else [N, ...] as the
    network has it. float32 at least, without a gradient, and as they were when the layer had finished, also where an
    in-place operation follows. Of a layer that runs several times the last run counts. Other threads may run the same
    network meanwhile.

    Raises UnknownName (field `layers[N]`); MethodUnsupported for a layer that the pass did not run.
    """
    return _run(model, images, layers, module, to_scores=False)[0] if layers else {}


def activations_and_scores(
    model: Model, images: Tensor, layers: Sequence[str], *, module: nn.Module | None = None
) -> tuple[dict[str, Tensor], Tensor]:
    """As activations(), and the scores of the same pass, [N, classes], before the softmax."""
    found, scores = _run(model, images, layers, module, to_scores=True)
    assert scores is not None
    return found, scores


def channel_order(values: NDArray[np.floating[Any]], by: Order = "index") -> list[int]:
    """The numbers of all channels of [channels, ...] in that order; equals by number, those with NaN last."""
    if by == "index":
        return list(range(len(values)))
    flat = values.reshape(len(values), -1)
    keys = flat.max(axis=1) if by == "maximum" else flat.mean(axis=1, dtype=np.float64)
    return [int(channel) for channel in np.argsort(-keys, kind="stable")]


@torch.no_grad()
def _run(
    model: Model, images: Tensor, names: Sequence[str], module: nn.Module | None, *, to_scores: bool
) -> tuple[dict[str, Tensor], Tensor | None]:
    """The folded outputs; the scores, None where the pass ended before them."""
    network = model.module if module is None else module
    layers = _layers(model, names)
    left = {name: layer.calls for name, layer in layers.items()}
    kept: dict[str, Tensor] = {}
    mine = threading.get_ident()

    def watch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            if threading.get_ident() != mine:
                return
            kept[name] = output.clone()
            left[name] -= 1
            if not to_scores and all(count <= 0 for count in left.values()):
                raise _Finished

        return keep

    scores: Tensor | None = None
    with ExitStack() as hooks, suppress(_Finished):
        for name in layers:
            hooks.callback(network.get_submodule(name).register_forward_hook(watch(name)).remove)
        scores = network(images.clone() if model.layers.writes_to_images else images)
    for name in layers:
        if name not in kept:
            raise MethodUnsupported(f"the network no longer runs its layer {name!r}", field="layers")
    return {name: _wide(fold_grid(kept[name], layer)) for name, layer in layers.items()}, scores


def _layers(model: Model, names: Sequence[str]) -> dict[str, Layer]:
    known = {layer.name: layer for layer in model.layers.layers}
    for place, name in enumerate(names):
        if name not in known:
            raise UnknownName("layer", name, known, field=f"layers[{place}]")
    return {name: known[name] for name in names}


def _wide(tensor: Tensor) -> Tensor:
    """In float32 at least, which NumPy knows."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
