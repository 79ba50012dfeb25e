"""Any classifier of torchvision.models."""

import torchvision
from torchvision.transforms._presets import ImageClassification

from convscope.engine.errors import CatalogueError, ModelUnloadable, UnknownName
from convscope.engine.models.entry import Entry
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.weights import load_weights

# Heads that GoogLeNet and Inception v3 use in training only.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def check(entry: Entry) -> None:
    known = torchvision.models.list_models(module=torchvision.models)
    if entry.network not in known:
        error = UnknownName("network", entry.network, known, field="network")
        raise CatalogueError(f"model {entry.name}: {error.message} (torchvision classifiers)")
    if entry.weights and not entry.weights_file:
        names = torchvision.models.get_model_weights(entry.network).__members__
        if entry.weights not in names:
            raise CatalogueError(
                f"model {entry.name}: torchvision has no weights {entry.weights!r} for {entry.network}; "
                f"it has {', '.join(names)}; a file ends in .safetensors, .pt, .pth or .bin"
            )


def build(entry: Entry) -> Built:
    weights_of = torchvision.models.get_model_weights(entry.network)
    named = weights_of[entry.weights] if entry.weights and not entry.weights_file else None
    arguments = dict(entry.arguments)
    if named is None and entry.network in ("googlenet", "inception_v3"):
        # transform_input: the published weights, also as a file, were trained with other channel statistics.
        from_file = bool(entry.weights_file)
        defaults = {"aux_logits": False, "init_weights": not from_file, "transform_input": from_file}
        arguments = defaults | arguments
    try:
        module = torchvision.models.get_model(entry.network, weights=named, progress=False, **arguments)
    except OSError as error:
        raise ModelUnloadable(
            f"model {entry.name}: the weights {entry.weights} cannot be downloaded ({error}); "
            "download them elsewhere and name the file"
        ) from error
    if entry.weights_file:
        load_weights(module, entry.weights_file, optional=AUXILIARY)
    described = named or weights_of.DEFAULT
    return Built(module, _preprocessing(described.transforms()), described.meta["categories"])


def _preprocessing(preset: ImageClassification) -> Preprocessing:
    return Preprocessing(
        resize=preset.resize_size[0],
        height=preset.crop_size[0],
        width=preset.crop_size[0],
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


SOURCE = Source(check, build)
