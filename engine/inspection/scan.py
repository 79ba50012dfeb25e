"""One pass of many images through a network: classes, feature vectors, and where channels answer most."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save
from torch import Tensor, nn

from convscope.engine.errors import MethodUnsupported
from convscope.engine.inspection.embeddings import classifier, pooled
from convscope.engine.inspection.strongest import Strongest
from convscope.engine.models.layers import fold_grid
from convscope.engine.models.model import Model

TOP_CLASSES = 5
Kind = Literal["one", "any", "neurons"]
"""The tables of Patches."""
TABLES = ("values", "images", "places")
"""What each is made of, in the order of Strongest."""


@dataclass(frozen=True)
class Patches:
    """Where the channels of a layer answer most."""

    one: Strongest
    """At most one place of each image."""
    any: Strongest
    """Any places."""
    neurons: Strongest | None = None
    """Of every channel at every place, [channels * height * width, at most k]; None where they were not asked for."""

    @property
    def kinds(self) -> dict[str, Strongest]:
        """Those that there are, by their names."""
        found = {"one": self.one, "any": self.any}
        return found if self.neurons is None else {**found, "neurons": self.neurons}

    def with_others(self, others: "Patches", k: int) -> "Patches":
        """The k largest of these and those; images have different numbers."""
        return Patches(**{kind: found.with_others(others.kinds[kind], k) for kind, found in self.kinds.items()})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All numbers, by names that from_arrays() knows."""
        return {
            f"{kind}.{name}": np.ascontiguousarray(getattr(found, name))
            for kind, found in self.kinds.items()
            for name in TABLES
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Patches":
        """What arrays() gave."""
        kinds = [kind for kind in ("one", "any", "neurons") if f"{kind}.values" in arrays]
        return cls(
            **{
                kind: Strongest(*(arrays[f"{kind}.{name}"] for name in ("values", "images", "places")))
                for kind in kinds
            }
        )


@dataclass(frozen=True)
class Findings:
    """What a scan has found in images with numbers in a row."""

    classes: NDArray[np.int32]
    """[images, TOP_CLASSES, or as many as there are]: the most probable, best first."""
    probabilities: NDArray[np.float32]
    """[images, as many]."""
    embeddings: NDArray[np.float32]
    """[images, length]."""
    patches: Mapping[str, Patches]
    """Of every layer, by its name."""

    def to_bytes(self) -> bytes:
        """In safetensors."""
        arrays: dict[str, NDArray[Any]] = {
            "classes": self.classes, "probabilities": self.probabilities, "embeddings": self.embeddings
        }  # fmt: skip
        for layer, patches in self.patches.items():
            arrays |= {f"{name}.{layer}": array for name, array in patches.arrays().items()}
        return save(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Findings":
        """What to_bytes() gave."""
        arrays = load(data)

        layers = [name.removeprefix("one.values.") for name in arrays if name.startswith("one.values.")]
        patches = {
            layer: Patches.from_arrays(
                {name.removesuffix(f".{layer}"): array for name, array in arrays.items() if name.endswith(f".{layer}")}
            )
            for layer in layers
        }
        return cls(arrays["classes"], arrays["probabilities"], arrays["embeddings"], patches)

    @classmethod
    def together(cls, parts: "Sequence[Findings]", k: int) -> "Findings":
        """Those of images in a row, at least one of them. k: activations kept for each channel."""
        layers = {layer: [part.patches[layer] for part in parts] for layer in parts[0].patches}
        return cls(
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
            {layer: reduce(lambda a, b: a.with_others(b, k), found) for layer, found in layers.items()},
        )


class Scan:
    """A network, watched at some layers."""

    def __init__(
        self, model: Model, *, layers: Sequence[str] = (), embedding_layer: str = "", k: int = 32, neurons: bool = False
    ) -> None:
        """layers: whose strongest activations are kept; neurons: also those of every place of a channel by itself.
        embedding_layer: whose answer is the feature vector, the mean over its places where it has a grid; empty: what
        the classifier is given. k: activations kept for each channel.

        Raises UnknownName; MethodUnsupported for a network that has no classifier.
        """
        self._model = model
        self._layers = [model.layers.layer(name) for name in layers]
        self._embedding = model.layers.layer(embedding_layer) if embedding_layer else None
        self._classifier = "" if embedding_layer else classifier(model)
        self._k = k
        self._neurons = neurons
        watched = {*layers, embedding_layer} - {""}
        self._module = model.variant("float32", watched)

    @torch.no_grad()
    def run(self, images: Tensor, first: int) -> Findings:
        """images: [N, 3, H, W] as the network takes them; `first` is the number of the first of them."""
        found: dict[str, Patches] = {}
        vectors: list[Tensor] = []
        mine = threading.get_ident()

        # Each keeps what it reduces an output to, and not the output. Of a layer that runs several times the last
        # run counts.
        def keep_patches(layer: Any) -> Any:
            def hook(_: nn.Module, __: Any, output: Tensor) -> None:
                if threading.get_ident() == mine:
                    grid = _on_grid(fold_grid(output, layer))
                    found[layer.name] = Patches(
                        Strongest.of_images(grid, first, self._k),
                        Strongest.of_places(grid, first, self._k),
                        Strongest.of_neurons(grid, first, self._k) if self._neurons else None,
                    )

            return hook

        def keep_given(_: nn.Module, given: tuple[Any, ...]) -> None:
            if threading.get_ident() == mine:
                vectors[:] = [given[0].flatten(1).float().clone()]

        def keep_answer(_: nn.Module, __: Any, output: Tensor) -> None:
            if threading.get_ident() == mine:
                assert self._embedding is not None
                vectors[:] = [pooled(fold_grid(output, self._embedding), self._embedding).clone()]

        with ExitStack() as hooks:
            for layer in self._layers:
                part = self._module.get_submodule(layer.name)
                hooks.callback(part.register_forward_hook(keep_patches(layer)).remove)
            if self._embedding is None:
                part = self._module.get_submodule(self._classifier)
                hooks.callback(part.register_forward_pre_hook(keep_given).remove)
            else:
                part = self._module.get_submodule(self._embedding.name)
                hooks.callback(part.register_forward_hook(keep_answer).remove)
            scores = self._module(images.clone() if self._model.layers.writes_to_images else images)
        if not vectors or len(found) < len(self._layers):
            raise MethodUnsupported("the network no longer runs all of its layers", field="layers")
        probabilities, classes = scores.double().softmax(1).topk(min(TOP_CLASSES, scores.shape[1]), dim=1)
        return Findings(
            classes.int().cpu().numpy(), probabilities.float().cpu().numpy(), vectors[0].cpu().numpy(), found
        )


def _on_grid(output: Tensor) -> Tensor:
    """[N, channels, height, width]; a layer without a grid has one place, and of tokens without one each is a place."""
    if output.ndim == 4:
        return output
    if output.ndim == 2:
        return output[:, :, None, None]
    return output.flatten(1, -2).transpose(1, 2).unsqueeze(2)
