"""A picture whose features are wanted ones: what a layer keeps of a photograph. Mahendran & Vedaldi 2015,
"Understanding Deep Image Representations by Inverting Them"."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.errors import ConvscopeError, InvalidInput, InvalidParameter
from convscope.engine.imaging.decode import to_rgb
from convscope.engine.models.model import Model
from convscope.engine.synthesis.assembly import assemble
from convscope.engine.synthesis.identity import identity, picture_digest
from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.middle_layer import middle_layer
from convscope.engine.synthesis.objectives.feature_distance import FeatureDistance
from convscope.engine.synthesis.own_layer import outer_layers, own_layer
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.synthesis import Synthesis

# The paper's weights of the total variation, for shallow, middle and deep layers, over that of the middle ones.
TV_FACTORS = (0.1, 1.0, 10.0)
SHOWN_LAYERS = 8
"""About how many layers a figure from shallow to deep has."""


class FeatureInversion(Synthesis):
    """Pictures of features, which knows how near they are."""

    def __init__(
        self, model: Model, layers: Sequence[str], wanted: Sequence[Tensor], original: Image.Image | None,
        *arguments: Any, **options: Any,
    ) -> None:  # fmt: skip
        """layers, wanted: of each picture. original: what the model saw of the photograph."""
        super().__init__(*arguments, **options)
        self._model = model
        self._layers = layers
        self._wanted = wanted
        self._original = original

    def results(self) -> list[dict[str, Any]]:
        """As Synthesis, with the `layer`; `distance`, the norm of what the features of the picture miss over the norm
        of the wanted ones, as it is saved; and of a photograph the `similarity`, the correlation of grey levels."""
        return [
            {**known, "layer": layer, **self._compared(picture, layer, wanted)}
            for known, picture, layer, wanted in zip(
                super().results(), self.pictures(), self._layers, self._wanted, strict=True
            )
        ]

    def _compared(self, picture: Image.Image, layer: str, wanted: Tensor) -> dict[str, float]:
        images = _seen(self._model, picture)
        with torch.no_grad():
            found = LayerOutput(self._model, layer, fixed=True)(images)
        compared = {"distance": float((found - wanted).norm() / wanted.norm())}
        if self._original is not None:
            compared["similarity"] = correlation(picture, self._original)
        return compared

    def extra_pictures(self) -> dict[str, Image.Image]:
        """As Synthesis: of a photograph what the model saw."""
        return {} if self._original is None else {"original.png": self._original}


def feature_inversion(
    model: Model,
    source: Image.Image | NDArray[np.float32],
    layers: Sequence[str],
    parameters: SynthesisParameters,
    checkpoint: bytes | None = None,
) -> FeatureInversion:
    """Descend |Phi(x) - Phi_0|^2 / |Phi_0|^2 and the penalties that the parameters ask for (equation 1).

    source: a photograph, of which the model sees its middle as always, or the features Phi_0 themselves, in the
    shape of the one layer's output for one picture. layers: one picture each, under the network's own names or a
    paper's, see own_layer(); none: one in the middle. `tv_weight` is that of middle layers: a tenth of it counts in the
    first third of the network, ten times as much in the last. checkpoint: to go on from.

    Raises UnknownName, InvalidInput and MethodUnsupported (field `layers[N]`); InvalidInput (field `features`) for a
    wrong shape, numbers that are not finite, or zeros alone; (field `copies`) for more than one; InvalidParameter
    (fields `size`, `stages`) where the network would see a picture of another size than its own; as assemble().
    """
    if parameters.copies > 1:
        raise InvalidInput("an inversion makes one picture of each layer", field="copies", reason="OUT_OF_RANGE")
    _check_size(model, parameters)
    names = [_own(model, name, f"layers[{place}]") for place, name in enumerate(layers)]
    names = names or [middle_layer(model.module, model.layers)]
    outputs = [LayerOutput(model, name, fixed=True) for name in names]
    original = None
    if isinstance(source, Image.Image):
        pixels, _ = model.preprocessing.crop(to_rgb(source))
        original = Image.fromarray(pixels.permute(1, 2, 0).numpy())
        images = _seen(model, original)
        with torch.no_grad():
            wanted = [output(images) for output in outputs]
        digest = picture_digest(original)
    else:
        wanted = [_features(source, outputs, model.device)]
        digest = picture_digest(Image.frombytes("L", (source.nbytes, 1), np.ascontiguousarray(source).tobytes()))
    for name, features in zip(names, wanted, strict=True):
        if not features.any():
            message = f"the features at {name} are zeros alone, to which nothing can be near"
            raise InvalidInput(message, field="features", reason="OUT_OF_RANGE")
    factors = tuple(TV_FACTORS[min(2, int(3 * _depth(model, name)))] for name in names)
    made = assemble(model, parameters, FeatureDistance(outputs, wanted), len(names), tv_factors=factors)
    made_of = identity("feature_inversion", model, parameters, layers=names, source=digest)
    return FeatureInversion(
        model, names, wanted, original, made.parts, made.variables, parameters.steps, made.generator,
        identity=made_of, checkpoint=checkpoint,
    )  # fmt: skip


def all_layers(model: Model) -> list[str]:
    """About eight layers from the first to the last, and the scores of the classes: the paper's figure."""
    outer = outer_layers(model)
    count = min(SHOWN_LAYERS, len(outer))
    places = [round(place * (len(outer) - 1) / max(1, count - 1)) for place in range(count)]
    last = model.layers.layers[-1]
    return list(dict.fromkeys([*(outer[place].name for place in places), last.name]))


def correlation(picture: Image.Image, other: Image.Image) -> float:
    """Pearson's, of the grey levels of two pictures; other is scaled to the first. 0 where one of them is even."""
    first, second = (
        np.asarray(one.convert("L").resize(picture.size), dtype=np.float64).ravel() for one in (picture, other)
    )
    first, second = first - first.mean(), second - second.mean()
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norms if norms else 0.0


def _check_size(model: Model, parameters: SynthesisParameters) -> None:
    """Raise InvalidParameter where pictures would have other features than the wanted ones, in number."""
    own = (model.preprocessing.height, model.preprocessing.width)
    base = own if parameters.size is None else (parameters.size, parameters.size)
    for stage in parameters.schedule():
        size = [round(side * stage.scale) for side in base]
        seen = [min(sides) for sides in zip(size, own, strict=True)] if parameters.window else size
        if tuple(seen) != own:
            field = "stages" if base == own else "size"
            message = f"features are those of a picture of {own[1]} x {own[0]} pixels, not {seen[1]} x {seen[0]}"
            raise InvalidParameter(message, field=field)


def _own(model: Model, name: str, field: str) -> str:
    try:
        return own_layer(model, name)
    except ConvscopeError as error:
        error.field = field
        raise


def _depth(model: Model, name: str) -> float:
    """0 to 1, by the order in which a pass finishes the layers."""
    names = [layer.name for layer in model.layers.layers]
    return names.index(name) / len(names)


def _seen(model: Model, picture: Image.Image) -> Tensor:
    """A picture of the model's size as the network takes it; of another size, scaled whole."""
    size = (model.preprocessing.width, model.preprocessing.height)
    scaled = picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(scaled)).permute(2, 0, 1).unsqueeze(0)
    return model.preprocessing.normalize(pixels.to(model.device))


def _features(source: NDArray[np.float32], outputs: Sequence[LayerOutput], device: torch.device) -> Tensor:
    if len(outputs) != 1:
        raise InvalidInput("features are those of exactly one layer", field="layers", reason="OUT_OF_RANGE")
    shape = outputs[0].layer.output_shape
    if source.shape != shape:
        message = f"features at {outputs[0].layer.name} have the shape {list(shape)}, not {list(source.shape)}"
        raise InvalidInput(message, field="features", reason="SHAPE_MISMATCH")
    if not np.isfinite(source).all():
        raise InvalidInput("features must be finite", field="features", reason="NOT_FINITE")
    return outputs[0].folded(torch.from_numpy(np.array(source, dtype=np.float32))[None].to(device))
