"""Collections of images: made, filled, read and deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

from convscope.services.common.access.current import may_see
from convscope.services.common.collections.annotating import Annotating, AnnotationsTaken
from convscope.services.common.collections.collection import (
    Collection,
    StoredImage,
    annotation_path,
    folder_of,
    image_path,
)
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.taking import Taken, Taking
from convscope.services.common.errors import (
    ArtifactsAway,
    CollectionBusy,
    CollectionNotFound,
    RequestIdReused,
)
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.resource_names import COLLECTIONS, JOBS
from convscope.services.common.store import reached


class Collections:
    """The collections of a cluster, as callers may deal with them. Every method raises StoreAway where the store is."""

    def __init__(self, records: CollectionRecords, jobs: JobRecords, artifacts: Artifacts, *, max_pixels: int) -> None:
        """max_pixels: of one image."""
        self.records = records
        self._jobs = jobs
        self._artifacts = artifacts
        self._max_pixels = max_pixels

    def create(self, display_name: str, *, caller: str, request_id: str) -> Collection:
        """Raises RequestIdReused."""
        with reached():
            made = self.records.create(display_name, caller=caller, request_id=request_id)
        if made.reused:
            raise RequestIdReused(request_id, COLLECTIONS + made.id, field="request_id")
        return self.find(made.id)

    def find(self, id: str, *, field: str = "collection") -> Collection:
        """Raises CollectionNotFound, also for a collection of somebody else."""
        with reached():
            found = self.records.find(id)
        if found is None or not may_see(found.caller):
            raise CollectionNotFound(id, field=field)
        return found

    def jobs_of(self, collection: Collection) -> list[str]:
        """The jobs that work on it, by their ids."""
        with reached():
            known = {job.id: job.state for job in self._jobs.snapshots(collection.jobs)}
            ended = [id for id in collection.jobs if id not in known or known[id].ended]
            self.records.forget_jobs(collection.id, ended)
        return [id for id in collection.jobs if id not in ended]

    def delete(self, id: str) -> None:
        """Raises CollectionNotFound, CollectionBusy, ArtifactsAway."""
        collection = self.find(id, field="name")
        self.check_idle(collection, field="name")
        with reached():
            self.records.delete(id)
        with written(COLLECTIONS + id):
            self._artifacts.remove(folder_of(id))

    def check_idle(self, collection: Collection, *, field: str) -> None:
        """Raises CollectionBusy."""
        jobs = self.jobs_of(collection)
        if jobs:
            message = f"{JOBS}{jobs[0]} works on {COLLECTIONS}{collection.id}; wait for its end, or cancel it"
            raise CollectionBusy(message, field=field)

    def take(self, id: str, name: str, data: bytes, taken: Taken) -> None:
        """Take a file, and count in `taken` what came of it. Raises CollectionNotFound, ArtifactsAway."""
        taking = Taking(id, self.records, self._artifacts, max_pixels=self._max_pixels, taken=taken)
        with written(name), reached():
            taking.take(name, data)

    def annotating(self, id: str, taken: AnnotationsTaken) -> Annotating:
        """Takes annotations, and counts in `taken` what comes of them; to be used within written()."""
        return Annotating(id, self.records, self._artifacts, max_pixels=self._max_pixels, taken=taken)

    def annotation_file(self, id: str, sha256: str) -> bytes:
        """The file of a mask or of an attention map. Raises ArtifactsAway."""
        with written(COLLECTIONS + id):
            return self._artifacts.get(annotation_path(id, sha256))

    def image(self, id: str, image: StoredImage) -> bytes:
        """The file of an image. Raises ArtifactsAway."""
        with written(image.file_name):
            return self._artifacts.get(image_path(id, image.sha256))


@contextmanager
def written(what: str) -> Iterator[None]:
    """Within it an artifact store that refuses is an ArtifactsAway."""
    try:
        yield
    except OSError as error:
        raise ArtifactsAway(f"the files of {what[:100]} cannot be read or written: {error}") from error
