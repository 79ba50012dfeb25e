"""The files of a collection's images."""

from PIL import Image

from convscope.engine.imaging.decode import decode
from convscope.services.common.collections.collection import Collection, image_path
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.errors import CollectionNotFound
from convscope.workers.work import Bench


class CollectionImages:
    """Read by their numbers."""

    def __init__(self, id: str, bench: Bench) -> None:
        """Raises CollectionNotFound."""
        self._records, self._bench = CollectionRecords(bench.store), bench
        found = self._records.find(id)
        if found is None:
            raise CollectionNotFound(id)
        self.collection: Collection = found

    def picture(self, number: int) -> Image.Image:
        """Upright RGB, whole. Raises CollectionNotFound where the collection is gone by now, OSError."""
        images = self._records.images(self.collection.id, number, 1)
        if not images:
            raise CollectionNotFound(self.collection.id)
        data = self._bench.artifacts.get(image_path(self.collection.id, images[0].sha256))
        return decode(data, max_pixels=self._bench.max_pixels)
