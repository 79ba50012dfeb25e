"""The scan of a collection, as a job that several workers may share."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from convscope.engine.errors import ConvscopeError
from convscope.engine.inspection.embeddings import embedding_length
from convscope.engine.inspection.index import Index, Manifest, Shard, write_folder
from convscope.engine.inspection.receptive_field import receptive_field
from convscope.engine.inspection.scan import Scan
from convscope.services.common.collections.collection import Collection, IndexRecord, folder_of, image_path
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.shards import Shared
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.jobs.job import File
from convscope.workers.part_work import SharedWork, parts_of
from convscope.workers.scanning import Scanning
from convscope.workers.work import Bench, Keep

# Raised where other numbers are written of the same image, so that an index that is there is not gone on with.
FINDINGS = 2


class IndexPlan:
    """What a job's index is of, where it lies, and which parts are to be scanned; the same for all who work on it."""

    def __init__(self, bench: Bench) -> None:
        """Raises CollectionNotFound; UnknownModel, UnknownName, MethodUnsupported for what the model does not have."""
        spec, self.bench = bench.lease.spec, bench
        self.records = CollectionRecords(bench.store)
        self.collection = _found(self.records.find(spec["collection"]), spec["collection"])
        self.count: int = spec["image_count"]
        self.model = bench.model(bench.lease.model)
        self.layers: tuple[str, ...] = tuple(spec["layers"])
        self.embedding_layer: str = spec["embedding_layer"]
        self.k: int = spec["patches_per_channel"]
        self.neurons: bool = spec["neurons"]
        self._check()
        self.scan = Scan(
            self.model, layers=self.layers, embedding_layer=self.embedding_layer, k=self.k, neurons=self.neurons
        )
        self.id = self._identity()
        self.folder = f"{folder_of(self.collection.id)}/indexes/{self.id}"
        self.before = next((one for one in self.collection.indexes if one.id == self.id), None)
        scanned = self.before.image_count if self.before else 0
        self.parts = parts_of(scanned, self.count, spec["part"])
        self.shared = Shared(bench.lease.id, len(self.parts))

    def begin(self, part: int) -> Scanning:
        """The scan of one part."""
        numbers = self.parts[part]
        images = self.records.images(self.collection.id, numbers.start, len(numbers))

        def read(number: int) -> bytes:
            sha256 = images[number - numbers.start].sha256
            return self.bench.artifacts.get(image_path(self.collection.id, sha256))

        return Scanning(self.model, self.scan, read, numbers, k=self.k, threads=self.bench.threads)

    def part_path(self, part: int) -> str:
        """Where a part's file lies: whoever makes it makes the same."""
        numbers = self.parts[part]
        return f"{self.folder}/shards/{numbers.start:010}-{len(numbers)}.safetensors"

    def manifest(self) -> Manifest:
        return Manifest(
            model=self.model.name,
            weights_digest=self.model.weights_digest,
            height=self.model.preprocessing.height,
            width=self.model.preprocessing.width,
            embedding_layer=self.embedding_layer,
            embedding_length=embedding_length(self.model, self.embedding_layer),
            layers=self.layers,
            patches_per_channel=self.k,
            image_count=self.count,
            neurons=self.neurons,
        )

    def _check(self) -> None:
        """The jobs server has no card of a model that nobody had loaded before; then this is the first to check."""
        for number, name in enumerate(self.layers):
            try:
                self.model.layers.layer(name)
            except ConvscopeError as error:
                error.field = f"layers[{number}]"
                raise
        try:
            embedding_length(self.model, self.embedding_layer)
        except ConvscopeError as error:
            error.field = "embedding_layer"
            raise

    def _identity(self) -> str:
        """Digest of all on which what is found in an image depends."""
        what = [
            self.model.name, self.model.weights_digest, self.model.preprocessing.model_dump(mode="json"),
            self.layers, self.embedding_layer, self.k, self.neurons, FINDINGS,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


class IndexWork(SharedWork):
    """The job: it puts together what all have found."""

    def __init__(self, bench: Bench) -> None:
        self._plan = IndexPlan(bench)
        super().__init__(self._plan, before=self._plan.before.image_count if self._plan.before else 0)

    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        plan, artifacts = self._plan, self._plan.bench.artifacts
        if plan.before is not None and not plan.parts:
            # An attempt before this one may have come as far as this, and not to say so.
            return self._result(plan.before, plan.before.added if plan.before.job == plan.bench.lease.id else 0), []
        folder = f"{plan.folder}/{plan.bench.lease.id}-{plan.bench.lease.token}"
        with tempfile.TemporaryDirectory(prefix="convscope-index-") as scratch:
            made, old = Path(scratch, "made"), Path(scratch, "before")
            made.mkdir()
            before = Index(artifacts.fetch_folder(plan.before.folder, old)) if plan.before else None
            fields = [receptive_field(plan.model, layer) for layer in plan.layers]
            write_folder(made, plan.manifest(), fields, before, self._read_shards())
            size = sum(file.stat().st_size for file in made.iterdir())
            artifacts.put_folder(folder, made)
        record = IndexRecord(
            id=plan.id,
            model=plan.model.name,
            weights_digest=plan.model.weights_digest,
            embedding_layer=plan.embedding_layer,
            embedding_length=embedding_length(plan.model, plan.embedding_layer),
            layers=plan.layers,
            patches_per_channel=plan.k,
            image_count=plan.count,
            size=size,
            folder=folder,
            updated=time.time(),
            neurons=plan.neurons,
            job=plan.bench.lease.id,
            added=sum(map(len, plan.parts)),
        )
        try:
            before_it = plan.records.put_index(plan.collection.id, record)
        except LookupError:
            artifacts.remove(plan.folder)
            raise CollectionNotFound(plan.collection.id) from None
        # First, so that no helper takes a part any more whose file would stay.
        self.shards.end(plan.bench.lease.id)
        artifacts.remove(f"{plan.folder}/shards")
        # Who reads the index that was there has it open.
        if before_it is not None and before_it.folder != folder:
            artifacts.remove(before_it.folder)
        return self._result(record, record.added), []

    def _read_shards(self) -> Iterator[Shard]:
        for part in range(len(self._plan.parts)):
            yield Shard.from_bytes(self._plan.bench.artifacts.get(self._plan.part_path(part)))

    def _result(self, record: IndexRecord, indexed: int) -> dict[str, Any]:
        return {"collection": self._plan.collection.id, "index": asdict(record), "indexed": indexed}


def _found(collection: Collection | None, id: str) -> Collection:
    if collection is None:
        raise CollectionNotFound(id)
    return collection
