"""The scan of a collection, as a job that several workers may share."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import redis
import structlog

from convscope.engine.errors import ConvscopeError
from convscope.engine.inspection.embeddings import embedding_length
from convscope.engine.inspection.index import Index, Manifest, Shard, write_folder
from convscope.engine.inspection.receptive_field import receptive_field
from convscope.engine.inspection.scan import Scan
from convscope.services.common.collections.collection import Collection, IndexRecord, folder_of, image_path
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.shards import Shards, Shared
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.jobs.job import File, Progress
from convscope.workers.scanning import Scanning, parts_of
from convscope.workers.work import Bench, Keep, Work

log = structlog.get_logger()
# A worker that has not been heard of for so long loses its part; it is heard of between two batches.
PART_SECONDS = 15.0
PAUSE_SECONDS = 0.2
# Raised where other numbers are written of the same image, so that an index that is there is not gone on with.
FINDINGS = 2


class Plan:
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
        self.parts = list(parts_of(scanned, self.count, spec["part"]))
        self.shared = Shared(bench.lease.id, len(self.parts))

    def scanning(self, part: int) -> Scanning:
        """The scan of one part."""
        numbers = self.parts[part]
        images = self.records.images(self.collection.id, numbers.start, len(numbers))

        def read(number: int) -> bytes:
            sha256 = images[number - numbers.start].sha256
            return self.bench.artifacts.get(image_path(self.collection.id, sha256))

        return Scanning(self.model, self.scan, read, numbers, k=self.k, threads=self.bench.threads)

    def shard_path(self, part: int) -> str:
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


class PartWork:
    """Takes parts that nobody has, one after the other, batch by batch."""

    def __init__(self, plan: Plan, shards: Shards) -> None:
        self._plan = plan
        self._shards = shards
        self._part: int | None = None
        self._scanning: Scanning | None = None

    @property
    def under_way(self) -> int:
        """Pictures that are through, of the part in work."""
        return self._scanning.done if self._scanning else 0

    def advance(self) -> bool:
        """Take the next batch. False where there is no part that nobody has."""
        plan = self._plan
        if self._scanning is None:
            self._part = self._shards.claim(plan.shared, PART_SECONDS)
            if self._part is None:
                return False
            self._scanning = plan.scanning(self._part)
        self._scanning.advance()
        assert self._part is not None
        if not self._scanning.over:
            if not self._shards.hold(plan.shared, self._part, PART_SECONDS):
                self.close()
            return True
        plan.bench.artifacts.put(plan.shard_path(self._part), self._scanning.shard().to_bytes())
        self._shards.finish(plan.shared, self._part)
        self.close()
        return True

    def close(self) -> None:
        """Let go of the part in work."""
        if self._scanning is not None:
            self._scanning.close()
        self._scanning = None


class IndexWork(Work):
    """The job: it takes parts like every helper, waits for the others', and puts all together."""

    def __init__(self, bench: Bench) -> None:
        self._plan = Plan(bench)
        self._shards = Shards(bench.store)
        self._work = PartWork(self._plan, self._shards)
        self._done: set[int] = set()
        if self._plan.parts:
            self._take_up()

    def _take_up(self) -> None:
        """Parts whose files are there, of an earlier attempt or of a job that was cancelled, are done."""
        plan = self._plan
        for part in range(len(plan.parts)):
            if plan.bench.artifacts.exists(plan.shard_path(part)):
                self._shards.finish(plan.shared, part)
        self._shards.share(plan.shared)
        self._done = self._shards.done(plan.shared)

    @property
    def over(self) -> bool:
        return len(self._done) == len(self._plan.parts)

    def advance(self) -> None:
        if not self._work.advance():
            time.sleep(PAUSE_SECONDS)
        if not self._work.under_way:
            self._done = self._shards.done(self._plan.shared)

    def progress(self) -> Progress:
        through = sum(len(self._plan.parts[part]) for part in self._done) + self._work.under_way
        scanned = self._plan.before.image_count if self._plan.before else 0
        return Progress(scanned + through, self._plan.count, 0.0, ())

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
        self._shards.end(plan.bench.lease.id)
        artifacts.remove(f"{plan.folder}/shards")
        # Who reads the index that was there has it open.
        if before_it is not None and before_it.folder != folder:
            artifacts.remove(before_it.folder)
        return self._result(record, record.added), []

    def close(self) -> None:
        self._work.close()

    def _read_shards(self) -> Iterator[Shard]:
        for part in range(len(self._plan.parts)):
            yield Shard.from_bytes(self._plan.bench.artifacts.get(self._plan.shard_path(part)))

    def _result(self, record: IndexRecord, indexed: int) -> dict[str, Any]:
        return {"collection": self._plan.collection.id, "index": asdict(record), "indexed": indexed}


def help_index(bench: Bench, leaving: Callable[[], bool]) -> None:
    """Take parts of a job that another worker holds, until none is left or the job no longer runs."""
    work = PartWork(Plan(bench), Shards(bench.store))
    try:
        while not leaving() and work.advance():
            pass
    except (redis.RedisError, OSError) as error:
        log.warning("helps no more", job=bench.lease.id, error=str(error))
    finally:
        work.close()


def _found(collection: Collection | None, id: str) -> Collection:
    if collection is None:
        raise CollectionNotFound(id)
    return collection
