"""Name to loaded model."""

import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from convscope.engine.errors import CatalogueError, ConvscopeError, ModelUnloadable, UnknownModel
from convscope.engine.models.entry import WEIGHTS_SUFFIXES, Entry
from convscope.engine.models.labels import Labels
from convscope.engine.models.layers import map_layers, remember_layers
from convscope.engine.models.model import Model
from convscope.engine.models.sources import efficientnet_lite, factory, shapes, torchvision
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.tokenizers import check_tokenizer, find_tokenizer
from convscope.engine.models.variants import Variants
from convscope.engine.models.weights import check_digest, weights_digest
from convscope.engine.words.captioner import Captioner
from convscope.engine.words.given import Given
from convscope.engine.words.tokenizer import Tokenizer

SOURCES: Mapping[str, Source] = {
    "torchvision": torchvision.SOURCE,
    "efficientnet_lite": efficientnet_lite.SOURCE,
    "shapes": shapes.SOURCE,
    "factory": factory.SOURCE,
}
BUILT_IN = Path(__file__).with_name("catalogue.toml")

# Random weights come from torch's global generator.
_building = threading.Lock()


class Catalogue(Mapping[str, Entry]):
    """The models that can be loaded, by name."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(sorted(entries.items()))

    @classmethod
    def read(cls, path: Path = BUILT_IN) -> "Catalogue":
        """Read and check a TOML file of [[models]] tables; `include_built_in = true` adds convscope's own.

        What can never load is refused here: a name twice, an unknown network, a missing file, a factory that
        cannot be imported. Raises CatalogueError that names the file and the model.
        """
        entries: dict[str, Entry] = {}
        for entry in _read_entries(path):
            if entry.name in entries:
                raise CatalogueError(
                    f"two models are named {entry.name}: in {entries[entry.name].folder} and {entry.folder}"
                )
            _check(entry)
            entries[entry.name] = entry
        return cls(entries)

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownModel(name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, name: str, *, device: str | torch.device = "cpu") -> Model:
        """Load a model to a device.

        Raises UnknownModel with the nearest names, ModelUnloadable with the cause.
        """
        entry = self[name]
        _check(entry)
        with _building, torch.random.fork_rng(devices=[]):
            torch.manual_seed(entry.seed)
            try:
                built = SOURCES[entry.source].build(entry)
            except CatalogueError as error:
                if entry.name in error.message:
                    raise
                raise ModelUnloadable(f"model {entry.name}: {error.message}") from error
            except Exception as error:
                message = f"model {entry.name}: {type(error).__name__}: {error}"
                raise ModelUnloadable(message) from error
        return _finish(entry, built, torch.device(device))


def _read_entries(path: Path) -> Iterator[Entry]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogueError(f"the catalogue {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # of Python, too: a number of thousands of digits, or brackets
        raise CatalogueError(f"the catalogue {path} is no TOML: {error}") from error
    unknown = set(document) - {"models", "include_built_in"}
    if unknown:
        raise CatalogueError(f"the catalogue {path} has the unknown key {sorted(unknown)[0]!r}")
    tables = document.get("models", [])
    if not isinstance(tables, list):
        raise CatalogueError(f"the catalogue {path}: models are written [[models]]")
    include_built_in = document.get("include_built_in", False)
    if not isinstance(include_built_in, bool):
        raise CatalogueError(f"the catalogue {path}: include_built_in is true or false, not {include_built_in!r}")
    if include_built_in and path != BUILT_IN:
        yield from _read_entries(BUILT_IN)
    for place, table in enumerate(tables, 1):
        yield _entry(path, place, table)


def _entry(path: Path, place: int, table: Any) -> Entry:
    if not isinstance(table, dict):
        raise CatalogueError(f"the catalogue {path}: model number {place} is no table; models are written [[models]]")
    try:
        return Entry.model_validate({**table, "folder": path.parent})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        name = table.get("name", f"number {place}")
        raise CatalogueError(f"the catalogue {path}: model {name}: {field}: {first['msg']}") from error


def _check(entry: Entry) -> None:
    SOURCES[entry.source].check(entry)
    if entry.weights and not entry.weights_file and entry.source != "torchvision":
        raise CatalogueError(
            f"model {entry.name}: {entry.weights!r} is no weights file; one ends in {', '.join(WEIGHTS_SUFFIXES)}"
        )
    if entry.weights_sha256 and not entry.weights_file:
        raise CatalogueError(f"model {entry.name}: weights_sha256 is of a weights file, and `weights` names none")
    if entry.weights_file:
        if not _is_file(entry.weights_file):
            raise CatalogueError(f"model {entry.name}: there is no weights file {entry.weights_file}")
        if entry.weights_sha256:
            check_digest(entry.weights_file, entry.weights_sha256)
    check_tokenizer(entry)
    if entry.tokenizer_file and not _is_file(entry.tokenizer_file):
        raise CatalogueError(f"model {entry.name}: there is no tokenizer file {entry.tokenizer_file}")
    if isinstance(entry.labels, str) and entry.labels and not _is_file(entry.folder / entry.labels):
        raise CatalogueError(f"model {entry.name}: there is no labels file {entry.folder / entry.labels}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def _finish(entry: Entry, built: Built, device: torch.device) -> Model:
    network = built.module.eval().requires_grad_(False)
    task = entry.task or built.task
    tokenizer = find_tokenizer(entry, built.tokenizer) if task != "classify" else None
    if task == "caption" and not isinstance(network, Captioner):
        raise ModelUnloadable(f"model {entry.name}: a {type(network).__name__} is no Captioner")
    _let_gradients_through(network)
    try:
        preprocessing = entry.preprocessing_over(built.preprocessing)
    except ValidationError as error:
        message = f"model {entry.name}: preprocessing: {error.errors()[0]['msg']}"
        raise ModelUnloadable(message) from error
    try:
        network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        module = network if tokenizer is None else Given(network, _no_words(tokenizer, device))
        blank = torch.zeros(1, 3, preprocessing.height, preprocessing.width, device=device)
        layers = map_layers(module, blank.to(memory_format=torch.channels_last))
    except Exception as error:  # a team's forward may raise anything
        message = (
            f"model {entry.name}: a pass with a picture of {preprocessing.height} x {preprocessing.width} "
            f"raised {type(error).__name__}: {error}"
        )
        raise ModelUnloadable(message) from error
    if len(layers.output_shape) != 1:
        raise ModelUnloadable(
            f"model {entry.name}: the output for one picture has the shape {list(layers.output_shape)}; "
            "a classifier gives one score a class"
        )
    if entry.layer:
        try:
            layers = replace(layers, suggested=layers.spatial(entry.layer))
        except ConvscopeError as error:
            raise ModelUnloadable(f"model {entry.name}: {error.message}") from error
    remember_layers(module, blank, layers)
    classes = 0 if task == "caption" else layers.output_shape[0]
    labels = _labels(entry, built, classes)
    return Model(
        name=entry.name,
        description=entry.describe(),
        module=module,
        preprocessing=preprocessing,
        labels=Labels(labels or [str(index) for index in range(classes)]),
        has_labels=bool(labels),
        layers=layers,
        weights_digest=weights_digest(module),
        device=device,
        variants=Variants(module, _noise_like(blank)),
        task=task,
        network=network if tokenizer else None,
        tokenizer=tokenizer,
    )


def _let_gradients_through(network: torch.nn.Module) -> None:
    """cuDNN has no backward pass for a recurrent network in evaluation mode; without dropout both modes are one."""
    for part in network.modules():
        if isinstance(part, torch.nn.RNNBase):
            part.dropout = 0.0
            part.train()


def _no_words(tokenizer: Tokenizer, device: torch.device) -> torch.Tensor:
    """One of the vocabulary and the end: some networks cannot do without."""
    return torch.tensor([[int(tokenizer.end == 0), tokenizer.end]], device=device)


def _noise_like(images: torch.Tensor) -> torch.Tensor:
    """The same noise each time, which no layer takes for nothing as it may zeros."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return noise.to(images).contiguous(memory_format=torch.channels_last)


def _labels(entry: Entry, built: Built, class_count: int) -> list[str]:
    """One label a class; none where the entry gives none and the source's do not fit."""
    if not entry.labels:
        return list(built.labels) if len(built.labels) == class_count else []
    if isinstance(entry.labels, str):
        path = entry.folder / entry.labels
        try:
            labels = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelUnloadable(f"model {entry.name}: the labels file {path} cannot be read: {error}") from error
    else:
        labels = entry.labels
    if len(labels) != class_count:
        raise ModelUnloadable(f"model {entry.name} has {class_count} classes, but {len(labels)} labels")
    return labels
