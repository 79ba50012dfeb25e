"""A map of a collection, as a job."""

import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

from convscope.engine.imaging.map_page import map_page
from convscope.engine.imaging.map_picture import map_picture
from convscope.engine.inspection.index import Index
from convscope.engine.inspection.map_grid import on_grid
from convscope.engine.inspection.projection import Projection, ProjectionParameters, pca, place
from convscope.services.common.cards import find_card
from convscope.services.common.collections.collection import Collection, IndexRecord
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.errors import CollectionNotFound, IndexUnusable
from convscope.services.common.jobs.job import File, Progress
from convscope.workers.drawings import png
from convscope.workers.work import Bench, Keep, Work

# Iterations between two looks at the lease.
AT_ONCE = 10


class ProjectWork(Work):
    """t-SNE a few iterations a step; PCA and new images on a known map in one."""

    def __init__(self, bench: Bench) -> None:
        """Raises CollectionNotFound, IndexUnusable, InvalidParameter, OSError."""
        spec = bench.lease.spec
        self._bench = bench
        self._spec = spec
        records = CollectionRecords(bench.store)
        found = records.find(spec["collection"])
        if found is None:
            raise CollectionNotFound(spec["collection"])
        self._collection = found
        self._records = records
        self._record = _index_of(found, spec["index"])
        self._scratch = tempfile.TemporaryDirectory(prefix="convscope-map-")
        folder = bench.artifacts.fetch_folder(self._record.folder, Path(self._scratch.name))
        self._index = Index(folder)
        self._coordinates: NDArray[np.float32] | None = None
        self._projection: Projection | None = None
        if spec["method"] == "tsne" and spec["onto"] is None:
            self._projection = self._begin(bench.checkpoint())

    @property
    def over(self) -> bool:
        if self._projection is not None:
            return self._projection.done == self._projection.total
        return self._coordinates is not None

    def advance(self) -> None:
        if self._projection is not None:
            self._projection.advance(AT_ONCE)
        elif self._spec["onto"] is not None:
            self._coordinates = self._placed()
        else:
            self._coordinates = pca(self._index.embeddings, seed=self._spec["seed"])

    def progress(self) -> Progress:
        if self._projection is not None:
            return Progress(self._projection.done, self._projection.total, self._projection.divergence or 0.0, ())
        return Progress(int(self.over), 1, 0.0, ())

    def checkpoint(self) -> bytes:
        return b"" if self._projection is None else save(self._projection.state())

    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        coordinates = self._coordinates if self._projection is None else self._projection.coordinates
        assert coordinates is not None
        count = len(coordinates)
        file = BytesIO()
        np.save(file, coordinates.astype(np.float32), allow_pickle=False)
        images = self._records.images(self._collection.id, 0, count)
        page = map_page(
            coordinates,
            self._thumbnail,
            title=f"{self._collection.display_name or 'Collection'}, as {self._record.model} sees it",
            names=[image.file_name for image in images],
            classes=self._classes(count),
        )
        files = [
            keep("coordinates.npy", "application/octet-stream", file.getvalue()),
            keep("map.png", "image/png", png(map_picture(on_grid(coordinates), self._thumbnail))),
            keep("map.html", "text/html", page.encode()),
        ]
        return {"collection": self._collection.id, "index": self._record.id, "image_count": count}, files

    def close(self) -> None:
        self._scratch.cleanup()

    def _begin(self, checkpoint: bytes | None) -> Projection:
        parameters = ProjectionParameters(
            perplexity=self._spec["perplexity"], metric=self._spec["metric"], seed=self._spec["seed"]
        )
        state = None if checkpoint is None else load(checkpoint)
        return Projection(self._index.embeddings, parameters, threads=self._bench.threads, state=state)

    def _placed(self) -> NDArray[np.float32]:
        """The map that is there, and behind it the images that came since."""
        onto = self._spec["onto"]
        known = np.load(BytesIO(self._bench.artifacts.get(onto["coordinates"])), allow_pickle=False)
        count = onto["image_count"]
        vectors = self._index.embeddings
        new = place(known, vectors[:count], vectors[count:], metric=self._spec["metric"], threads=self._bench.threads)
        return np.concatenate([known, new])

    def _thumbnail(self, number: int) -> Image.Image:
        return Image.open(BytesIO(self._index.thumbnail(number)))

    def _classes(self, count: int) -> list[str]:
        """What the model says of each image: a label where its card is known, else the index."""
        card = find_card(self._bench.store, self._record.model)
        best = self._index.classes[:count, 0].tolist()
        return [card.labels[one] if card is not None and one < len(card.labels) else str(one) for one in best]


def _index_of(collection: Collection, id: str) -> IndexRecord:
    for index in collection.indexes:
        if index.id == id:
            return index
    message = f"the index {id} of collections/{collection.id} is no more"
    raise IndexUnusable(message, reason="NO_INDEX", field="index")
