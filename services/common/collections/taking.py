"""Files taken into a collection, whoever brings them."""

import hashlib
from dataclasses import dataclass, field

from convscope.engine.errors import ImageTooLarge, ImageUndecodable
from convscope.engine.imaging.decode import decode
from convscope.services.common.collections.collection import BrokenFile, StoredImage, image_path
from convscope.services.common.collections.records import BROKEN, CollectionRecords
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.jobs.artifacts import Artifacts

LONGEST_FILE_NAME = 1000


@dataclass
class Taken:
    """What came of files."""

    added: int = 0
    duplicates: int = 0
    broken_count: int = 0
    broken: list[BrokenFile] = field(default_factory=list)
    """The first of them."""


class Taking:
    """Takes files into a collection, one by one, and counts what comes of them."""

    def __init__(
        self, collection: str, records: CollectionRecords, artifacts: Artifacts, *, max_pixels: int, taken: Taken
    ) -> None:
        """max_pixels: of one image."""
        self.taken = taken
        self._collection = collection
        self._records = records
        self._artifacts = artifacts
        self._max_pixels = max_pixels

    def take(self, name: str, data: bytes) -> None:
        """Raises CollectionNotFound; OSError where the artifact store refuses; redis.RedisError."""
        try:
            picture = decode(data, max_pixels=self._max_pixels, field="content")
        except (ImageUndecodable, ImageTooLarge) as error:
            self.refuse(name, error.message)
            return
        sha256 = hashlib.sha256(data).hexdigest()
        path = image_path(self._collection, sha256)
        # Before the record, so that who reads that finds the file.
        if not self._artifacts.exists(path):
            self._artifacts.put(path, data)
        image = StoredImage(name[:LONGEST_FILE_NAME], sha256, picture.width, picture.height, len(data))
        answer = self._records.add(self._collection, image)
        if answer is None:
            self._artifacts.remove(path)
            raise CollectionNotFound(self._collection)
        self.taken.added += answer == "added"
        self.taken.duplicates += answer == "duplicate"

    def refuse(self, name: str, message: str) -> None:
        """Note a file that cannot be taken. Raises CollectionNotFound, redis.RedisError."""
        broken = BrokenFile(name[:LONGEST_FILE_NAME], message)
        self.taken.broken_count += 1
        if len(self.taken.broken) < BROKEN:
            self.taken.broken.append(broken)
        if self._records.add_broken(self._collection, broken) is None:
            raise CollectionNotFound(self._collection)
