"""Indexes of collections, opened once and kept while they are what they were."""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from convscope.engine.inspection.index import Index
from convscope.engine.models.model import Model
from convscope.services.common.access.current import may_see
from convscope.services.common.collections.collection import Collection, IndexRecord, StoredImage, image_path
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.errors import ArtifactsAway, CollectionBusy, CollectionNotFound, IndexUnusable, StoreAway
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.resource_names import COLLECTIONS, JOBS
from convscope.services.common.store import reached

KEPT = 16


class Indexes:
    """Finds collections and their indexes. Every method may be called from any thread, and raises StoreAway where the
    store is away, or there is none."""

    def __init__(self, store: redis.Redis | None, artifacts_url: str) -> None:
        self._records = CollectionRecords(store) if store else None
        self._jobs = JobRecords(store, KINDS) if store else None
        self._url = artifacts_url
        self._opened: OrderedDict[str, Index] = OrderedDict()
        self._opening = threading.Lock()
        # Where indexes of a store that is no folder are copied to; gone with the process.
        self._scratch = tempfile.TemporaryDirectory(prefix="convscope-indexes-")
        self._artifacts: Artifacts | None = None

    def collection(self, id: str) -> Collection:
        """Raises CollectionNotFound, also for a collection of somebody else."""
        with reached():
            found = self._known().find(id)
        if found is None or not may_see(found.caller):
            raise CollectionNotFound(id)
        return found

    def find(
        self, collection: Collection, model: Model, fits: Callable[[IndexRecord], bool], what: str, *, field: str
    ) -> tuple[IndexRecord, Index]:
        """The newest index of a model that `fits`; `what` says in words which are looked for, `field` where.

        Raises IndexUnusable (COLLECTION_EMPTY, NO_INDEX, INDEX_STALE), CollectionBusy, ArtifactsAway.
        """
        name = f"{COLLECTIONS}{collection.id}"
        of_model = [record for record in collection.indexes if record.model == model.name]
        fitting = [record for record in of_model if fits(record)]
        for record in fitting:
            if record.weights_digest == model.weights_digest:
                return record, self._open(record)
        if fitting:
            message = f"the index of {name} was made by other weights of {model.name}; index it again"
            raise IndexUnusable(message, reason="INDEX_STALE", field="collection")
        if not collection.image_count:
            raise IndexUnusable(f"{name} has no images", reason="COLLECTION_EMPTY", field="collection")
        self._tell_jobs(collection, name)
        if of_model:
            raise IndexUnusable(f"no index of {name} has {what}; index it with that", reason="NO_INDEX", field=field)
        raise IndexUnusable(f"{name} has no index of {model.name}", reason="NO_INDEX", field="collection")

    def images(self, collection: Collection, numbers: Sequence[int]) -> list[StoredImage]:
        """Those with these numbers."""
        with reached():
            return self._known().numbered(collection.id, numbers)

    def file(self, collection: Collection, image: StoredImage) -> bytes:
        """The file of an image. Raises ArtifactsAway."""
        try:
            return self._store_of_files().get(image_path(collection.id, image.sha256))
        except OSError as error:
            raise ArtifactsAway(f"the image {image.file_name[:100]} cannot be read: {error}") from error

    def close(self) -> None:
        self._scratch.cleanup()

    def _open(self, record: IndexRecord) -> Index:
        with self._opening:
            found = self._opened.get(record.folder)
            if found is None:
                try:
                    scratch = Path(self._scratch.name, record.folder.replace("/", "-"))
                    found = Index(self._store_of_files().fetch_folder(record.folder, scratch))
                except OSError as error:
                    raise ArtifactsAway(f"the index {record.id} cannot be read: {error}") from error
                self._opened[record.folder] = found
            self._opened.move_to_end(record.folder)
            while len(self._opened) > KEPT:
                self._opened.popitem(last=False)
            return found

    def _tell_jobs(self, collection: Collection, name: str) -> None:
        assert self._jobs is not None
        with reached():
            jobs = [job.id for job in self._jobs.snapshots(collection.jobs) if not job.state.ended]
        if jobs:
            raise CollectionBusy(f"{name} is being worked on by {JOBS}{jobs[0]}; wait for its end", field="collection")

    def _known(self) -> CollectionRecords:
        if self._records is None:
            raise StoreAway("this server has no store (redis_url), so that it knows no collections")
        return self._records

    def _store_of_files(self) -> Artifacts:
        if self._artifacts is None:
            self._artifacts = Artifacts(self._url)
        return self._artifacts
