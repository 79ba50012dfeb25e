"""What scans found out about a collection, as a folder of files that are read without loading them.

manifest.json                    of what it is
embeddings.npy                   float32 [images, length]
classes.npy, probabilities.npy   [images, 5]
pixels.npy                       uint8 [images, 3072], see thumbnails.py
thumbnails.bin, thumbnails.npy   JPEGs one behind the other, and where each begins, int64 [images + 1]
layer-0.safetensors ...          of each layer: its receptive field and where its channels answer most
neighbours-l2.faiss ...          where there are too many images to compare with all
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load, load_file, save, save_file

from convscope.engine.errors import UnknownName
from convscope.engine.inspection.neighbours import EXACT_BELOW, Metric, Neighbours, write_index
from convscope.engine.inspection.receptive_field import ReceptiveField
from convscope.engine.inspection.scan import TABLES, Findings, Kind, Patches
from convscope.engine.inspection.strongest import Strongest
from convscope.engine.inspection.thumbnails import PIXELS

METRICS: tuple[Metric, ...] = ("l2", "cosine")
"""Those for which neighbours are found quickly also among very many images."""


@dataclass(frozen=True)
class Manifest:
    """What an index is of."""

    model: str
    weights_digest: str
    height: int
    """Of the model's input, pixels."""
    width: int
    embedding_layer: str
    """Empty: what the classifier is given."""
    embedding_length: int
    layers: tuple[str, ...]
    patches_per_channel: int
    image_count: int
    neurons: bool = False
    """Whether the strongest images of every neuron are kept."""
    format: int = 1

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        found = json.loads(data)
        return cls(**{**found, "layers": tuple(found["layers"])})


@dataclass(frozen=True)
class Shard:
    """Some images of a collection with numbers in a row, scanned."""

    findings: Findings
    pixels: NDArray[np.uint8]
    """[images, 3072]."""
    thumbnails: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """In safetensors; the same to the byte for the same."""
        lengths = np.array([len(one) for one in self.thumbnails], np.int64)
        blob = np.frombuffer(b"".join(self.thumbnails), np.uint8)
        findings = np.frombuffer(self.findings.to_bytes(), np.uint8)
        return save({"findings": findings, "pixels": self.pixels, "lengths": lengths, "thumbnails": blob})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        found = load(data)
        ends = np.cumsum(found["lengths"])
        blob = found["thumbnails"].tobytes()
        thumbnails = tuple(
            blob[end - length : end] for end, length in zip(ends.tolist(), found["lengths"].tolist(), strict=True)
        )
        return cls(Findings.from_bytes(found["findings"].tobytes()), found["pixels"], thumbnails)


class Index:
    """An index, read as it is asked. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the folder is not there."""
        self.folder = folder
        self.manifest = Manifest.from_json((folder / "manifest.json").read_bytes())

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """[images, length]."""
        return self._mapped("embeddings")

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """[images, 3072]."""
        return self._mapped("pixels")

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """[images, 5]: the most probable, best first."""
        return self._mapped("classes")

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """[images, 5]."""
        return self._mapped("probabilities")

    def best_of_class(self, index: int, k: int) -> list[int]:
        """Numbers of the images that the model gives a class the highest probability, best first; only those that have
        it among their most probable."""
        numbers, ranks = np.nonzero(self.classes == index)
        best = np.argsort(-self.probabilities[numbers, ranks], kind="stable")[:k]
        return [int(number) for number in numbers[best]]

    def best_of_channel(self, layer: str, channel: int, k: int) -> list[int]:
        """Numbers of the images in which a channel is strongest somewhere, best first. Raises UnknownName."""
        return [int(number) for number in self.strongest(layer, "one", channel).images[0, :k]]

    def files_of(self, layers: Sequence[str] = ()) -> list[str]:
        """Names of the files that tell the best of classes, or of the channels of these layers. Raises UnknownName."""
        own = [self._layer_file(layer).name for layer in layers]
        return own or ["classes.npy", "probabilities.npy"]

    def thumbnail(self, number: int) -> bytes:
        """A JPEG."""
        start, end = (int(place) for place in self._offsets[number : number + 2])
        return self._thumbnails[start:end].tobytes()

    def strongest(self, layer: str, kind: Kind, row: int) -> Strongest:
        """One row of a layer's table: of `one` and `any` a channel's, of `neurons` a neuron's. Raises UnknownName."""
        with safe_open(self._layer_file(layer), framework="np") as file:
            return Strongest(*(file.get_slice(f"{kind}.{name}")[row : row + 1] for name in TABLES))

    def receptive_field(self, layer: str) -> ReceptiveField:
        """What the places of a layer see. Raises UnknownName."""
        with safe_open(self._layer_file(layer), framework="np") as file:
            return _field_from(file.get_tensor("boxes"), file.get_tensor("unknown"))

    def patches(self, layer: str) -> tuple[Patches, ReceptiveField]:
        """All of it: where a layer's channels answer most, and what its places see. Raises UnknownName."""
        return _layer_from(load_file(self._layer_file(layer)))

    @cached_property
    def features(self) -> Neighbours:
        """Neighbours among the feature vectors."""
        return Neighbours(self.embeddings, self._indexes("neighbours"))

    @cached_property
    def pictures(self) -> Neighbours:
        """Neighbours among the pictures, pixel by pixel."""
        return Neighbours(self.pixels, self._indexes("pixels"))

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        return self._mapped("thumbnails")

    @cached_property
    def _thumbnails(self) -> NDArray[np.uint8]:
        path = self.folder / "thumbnails.bin"
        return np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)

    def _mapped(self, name: str) -> NDArray[Any]:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def _layer_file(self, layer: str) -> Path:
        if layer not in self.manifest.layers:
            raise UnknownName("layer", layer, self.manifest.layers, field="layer")
        return self.folder / f"layer-{self.manifest.layers.index(layer)}.safetensors"

    def _indexes(self, of: str) -> dict[Metric, Path]:
        paths = {metric: self.folder / f"{of}-{metric}.faiss" for metric in METRICS}
        return {metric: path for metric, path in paths.items() if path.exists()}


def write_folder(
    folder: Path,
    manifest: Manifest,
    fields: Sequence[ReceptiveField],
    before: Index | None,
    shards: Iterable[Shard],
) -> None:
    """Write an index of the images of `before`, if any, and of shards, which come behind them in their order.

    fields: of each layer of the manifest.
    """
    count, k = manifest.image_count, manifest.patches_per_channel
    embeddings = _new(folder, "embeddings", np.float32, (count, manifest.embedding_length))
    pixels = _new(folder, "pixels", np.uint8, (count, PIXELS * PIXELS * 3))
    offsets = _new(folder, "thumbnails", np.int64, (count + 1,))
    classes: list[NDArray[np.int32]] = []
    probabilities: list[NDArray[np.float32]] = []
    patches: dict[str, Patches] = {}
    at = 0
    with (folder / "thumbnails.bin").open("wb") as blob:
        if before is not None:
            at = before.manifest.image_count
            embeddings[:at], pixels[:at] = before.embeddings, before.pixels
            classes.append(before.classes)
            probabilities.append(before.probabilities)
            patches = {layer: before.patches(layer)[0] for layer in manifest.layers}
            for number in range(at):
                blob.write(before.thumbnail(number))
                offsets[number + 1] = blob.tell()
        for shard in shards:
            found = shard.findings
            end = at + len(found.embeddings)
            embeddings[at:end], pixels[at:end] = found.embeddings, shard.pixels
            classes.append(found.classes)
            probabilities.append(found.probabilities)
            for layer, new in found.patches.items():
                old = patches.get(layer)
                patches[layer] = old.with_others(new, k) if old else new
            for number, thumbnail in enumerate(shard.thumbnails, at + 1):
                blob.write(thumbnail)
                offsets[number] = blob.tell()
            at = end
    for array in (embeddings, pixels, offsets):
        array.flush()
    np.save(folder / "classes.npy", np.concatenate(classes))
    np.save(folder / "probabilities.npy", np.concatenate(probabilities))
    for place, (layer, field) in enumerate(zip(manifest.layers, fields, strict=True)):
        save_file(_layer_arrays(patches[layer], field), folder / f"layer-{place}.safetensors")
    if count >= EXACT_BELOW:
        for metric in METRICS:
            write_index(embeddings, metric, folder / f"neighbours-{metric}.faiss")
        write_index(pixels, "l2", folder / "pixels-l2.faiss")
    (folder / "manifest.json").write_bytes(manifest.to_json())


def _new(folder: Path, name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
    return open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)


def _layer_arrays(patches: Patches, field: ReceptiveField) -> dict[str, NDArray[Any]]:
    unknown = np.frombuffer(field.unknown.encode(), np.uint8)
    arrays: dict[str, NDArray[Any]] = {"boxes": field.boxes, "unknown": unknown}
    return arrays | patches.arrays()


def _layer_from(arrays: dict[str, NDArray[Any]]) -> tuple[Patches, ReceptiveField]:
    return Patches.from_arrays(arrays), _field_from(arrays["boxes"], arrays["unknown"])


def _field_from(boxes: NDArray[np.int64], unknown: NDArray[np.uint8]) -> ReceptiveField:
    return ReceptiveField(boxes, unknown.tobytes().decode())
