"""The natural pictures of a collection that go with what a synthesis is made for."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from convscope.engine.errors import InvalidInput
from convscope.engine.inspection.index import Index
from convscope.services.common.errors import IndexUnusable
from convscope.workers.collection_images import CollectionImages
from convscope.workers.work import Bench

Wanted = int | Mapping[str, Any]
"""A class, or a unit as an order has it; of a neuron its channel's are shown."""


class DatasetExamples:
    """Those of one order, each target's best first."""

    def __init__(self, spec: Mapping[str, Any], wanted: Sequence[Wanted], bench: Bench) -> None:
        """spec: what the order says of them. Raises CollectionNotFound, IndexUnusable, InvalidInput (field
        `examples.start`) where a target has none to start from; OSError."""
        self._images = CollectionImages(spec["collection"], bench)
        self.numbers = self._found(spec, wanted, bench)
        """Of each target, of the images."""
        self._start: bool = spec["start"]
        if self._start and not all(self.numbers):
            message = f"no image of the collection is an example of {wanted[self.numbers.index([])]}"
            raise InvalidInput(message, field="examples.start", reason="NO_EXAMPLE")

    def pictures(self, place: int) -> list[Image.Image]:
        """Of a target, whole. Raises CollectionNotFound, OSError."""
        return [self._images.picture(number) for number in self.numbers[place]]

    def starts(self, size: Callable[[Image.Image], Image.Image]) -> list[Image.Image] | None:
        """What each target's synthesis starts from, once `size` has cut it; None: what the recipe says."""
        if not self._start:
            return None
        return [size(self._images.picture(numbers[0])) for numbers in self.numbers]

    def _found(self, spec: Mapping[str, Any], wanted: Sequence[Wanted], bench: Bench) -> list[list[int]]:
        record = next((one for one in self._images.collection.indexes if one.id == spec["index"]), None)
        if record is None:
            message = f"the index {spec['index']} of collections/{self._images.collection.id} is no more"
            raise IndexUnusable(message, reason="NO_INDEX", field="examples.collection")
        with tempfile.TemporaryDirectory(prefix="convscope-examples-") as scratch:
            index = _open(record.folder, wanted, bench, Path(scratch))
            return [_best(index, one, spec["count"]) for one in wanted]


def _open(folder: str, wanted: Sequence[Wanted], bench: Bench, scratch: Path) -> Index:
    """With the files that are looked into."""
    manifest = "manifest.json"
    index = Index(bench.artifacts.fetch_folder(folder, scratch, [manifest]))
    layers = [one["layer"] for one in wanted if not isinstance(one, int)]
    return Index(bench.artifacts.fetch_folder(folder, scratch, [manifest, *index.files_of(layers)]))


def _best(index: Index, wanted: Wanted, count: int) -> list[int]:
    if isinstance(wanted, int):
        return index.best_of_class(wanted, count)
    return index.best_of_channel(wanted["layer"], wanted["channel"], count)
