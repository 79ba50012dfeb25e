"""FindPatches and FindNeighbors: what an index of a collection knows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.box import Box
from convscope.engine.imaging.decode import decode
from convscope.engine.inspection.index import Index
from convscope.engine.inspection.neighbours import Metric
from convscope.engine.inspection.scan import Kind
from convscope.engine.inspection.thumbnails import pixel_vector, shrink
from convscope.engine.models.layers import Layer
from convscope.engine.models.model import Model
from convscope.engine.models.preprocessing import Preprocessing
from convscope.services.attribution.files import png
from convscope.services.attribution.indexes import Indexes
from convscope.services.attribution.requests import check_range
from convscope.services.attribution.runner import Runner
from convscope.services.attribution.work import Task
from convscope.services.common.call import Call
from convscope.services.common.collections.collection import Collection, IndexRecord, StoredImage
from convscope.services.common.originals import read_original
from convscope.services.common.resource_names import collection_id
from convscope.v1 import inspection_service_pb2 as messages
from convscope.v1.image_pb2 import Region
from convscope.v1.inspection_service_pb2 import (
    FindNeighborsRequest,
    FindNeighborsResponse,
    FindPatchesRequest,
    FindPatchesResponse,
    Neighbor,
    Patch,
)
from convscope.v1.prediction_pb2 import Prediction

DEFAULT_PATCHES, DEFAULT_NEIGHBORS, MOST_NEIGHBORS = 9, 5, 1000
METRICS: Mapping[int, Metric] = {
    messages.NEIGHBOR_METRIC_UNSPECIFIED: "l2",
    messages.NEIGHBOR_METRIC_L2: "l2",
    messages.NEIGHBOR_METRIC_COSINE: "cosine",
    messages.NEIGHBOR_METRIC_INNER_PRODUCT: "inner_product",
}
SPACES: Mapping[int, str] = {
    messages.NEIGHBOR_SPACE_UNSPECIFIED: "features",
    messages.NEIGHBOR_SPACE_FEATURES: "features",
    messages.NEIGHBOR_SPACE_PIXELS: "pixels",
}


@dataclass(frozen=True)
class Sought:
    """An index that was found."""

    collection: Collection
    record: IndexRecord
    index: Index


class Searches:
    """Asks indexes."""

    def __init__(self, indexes: Indexes, runner: Runner, *, max_pixels: int) -> None:
        self._indexes = indexes
        self._runner = runner
        self._max_pixels = max_pixels

    def patches(self, request: FindPatchesRequest, model: Model) -> FindPatchesResponse:
        """Raises InvalidInput, CollectionNotFound, IndexUnusable, CollectionBusy, StoreAway, ArtifactsAway."""
        layer = model.layers.layer(request.layer)
        check_range("channel", request.channel, 0, layer.channels - 1)
        place = _check_place(request, layer)
        collection = self._indexes.collection(collection_id(request.collection, field="collection"))
        record, index = self._indexes.find(
            collection,
            model,
            lambda one: request.layer in one.layers and (place is None or one.neurons),
            f"the layer {request.layer!r}" + ("" if place is None else " with its neurons"),
            field="layer" if place is None else "row",
        )
        k = request.k if request.HasField("k") else min(DEFAULT_PATCHES, record.patches_per_channel)
        check_range("k", k, 1, record.patches_per_channel)
        kind: Kind = "any" if request.several_per_image else "one"
        height, width = layer.grid or (1, 1)
        row, field = request.channel, index.receptive_field(request.layer)
        if place is not None:
            kind, row = "neurons", (request.channel * height + place[0]) * width + place[1]
        strongest = index.strongest(request.layer, kind, row)
        rows = [array[0, :k] for array in (strongest.values, strongest.images, strongest.places)]
        images = self._indexes.images(collection, rows[1].tolist())
        response = FindPatchesResponse(exact=field.exact, index=record.id, image_count=record.image_count)
        for value, number, where, image in zip(*(row.tolist() for row in rows), images, strict=True):
            at = divmod(where, width)
            # A layer without a grid has one place, which sees all that any of its numbers sees.
            box = field.box(at if layer.grid else None)
            patch = response.patches.add(
                number=number, file_name=image.file_name, activation=value, row=at[0], column=at[1]
            )
            self._place(patch, box, image, model.preprocessing)
            if request.crops:
                patch.crop = self._crop(collection, image, box, model.preprocessing)
        return response

    def neighbors(self, request: FindNeighborsRequest, model: Model, call: Call) -> FindNeighborsResponse:
        """Raises as patches(), and what is wrong with a picture."""
        metric, space = METRICS.get(request.metric), SPACES.get(request.space)
        if metric is None:
            raise InvalidInput("unknown metric", field="metric", reason="OUT_OF_RANGE")
        if space is None:
            raise InvalidInput("unknown space", field="space", reason="OUT_OF_RANGE")
        if space == "pixels" and metric != "l2":
            raise InvalidInput("pixels are compared by l2", field="metric", reason="CONTRADICTION")
        k = request.k if request.HasField("k") else DEFAULT_NEIGHBORS
        check_range("k", k, 1, MOST_NEIGHBORS)
        collection = self._indexes.collection(collection_id(request.collection, field="collection"))
        wanted = request.embedding_layer if request.HasField("embedding_layer") else None
        record, index = self._indexes.find(
            collection,
            model,
            lambda one: wanted is None or one.embedding_layer == wanted,
            f"feature vectors of {wanted!r}",
            field="embedding_layer",
        )
        sought = Sought(collection, record, index)
        vector, own = self._query(request, model, call, sought, space)
        among = index.features if space == "features" else index.pictures
        numbers, distances = among.find(vector[None], k, metric, skip=own)
        return self._answer(request, model, sought, numbers[0], distances[0])

    def _query(
        self, request: FindNeighborsRequest, model: Model, call: Call, sought: Sought, space: str
    ) -> tuple[NDArray[np.float32 | np.uint8], tuple[int, ...]]:
        """What to look for, and the images that are not to be found."""
        match request.WhichOneof("query"):
            case "number":
                count = sought.record.image_count
                if not 0 <= request.number < count:
                    message = f"number must be 0 to {count - 1}, an image of the index, not {request.number}"
                    raise InvalidInput(message, field="number", reason="OUT_OF_RANGE")
                vectors = sought.index.embeddings if space == "features" else sought.index.pixels
                return vectors[request.number], (request.number,)
            case "image" if space == "pixels":
                return pixel_vector(shrink(read_original(request.image, max_pixels=self._max_pixels))), ()
            case "image":
                task = Task(features=sought.record.embedding_layer)
                picture = self._runner.read(request.image, model, call)
                result = self._runner.run(task, model, picture, call)
                assert result.features is not None
                if not np.isfinite(result.features).all():
                    message = "the network has no finite features of this picture"
                    raise InvalidInput(message, field="image", reason="VALUE_NOT_FINITE")
                return result.features, ()
            case _:
                message = "a query is required: an image, or the number of one"
                raise InvalidInput(message, field="query", reason="IMAGE_MISSING")

    def _answer(
        self,
        request: FindNeighborsRequest,
        model: Model,
        sought: Sought,
        numbers: NDArray[np.int64],
        distances: NDArray[np.float32],
    ) -> FindNeighborsResponse:
        images = self._indexes.images(sought.collection, numbers.tolist())
        response = FindNeighborsResponse(index=sought.record.id, image_count=sought.record.image_count)
        for number, distance, image in zip(numbers.tolist(), distances.tolist(), images, strict=True):
            said = None
            if model.names_classes:
                best = int(sought.index.classes[number, 0])
                probability = float(sought.index.probabilities[number, 0])
                said = Prediction(index=best, label=model.labels[best], probability=probability)
            response.neighbors.append(
                Neighbor(
                    number=number,
                    file_name=image.file_name,
                    distance=distance,
                    prediction=said,
                    thumbnail=sought.index.thumbnail(number) if request.thumbnails else b"",
                )
            )
        return response

    @staticmethod
    def _place(patch: Patch, box: Box, image: StoredImage, preprocessing: Preprocessing) -> None:
        left, top, right, bottom = preprocessing.region(image.width, image.height)
        wide, high = (right - left) / preprocessing.width, (bottom - top) / preprocessing.height
        patch.input_region.CopyFrom(Region(left=box[0], top=box[1], right=box[2], bottom=box[3]))
        patch.region.CopyFrom(
            Region(
                left=left + box[0] * wide,
                top=top + box[1] * high,
                right=left + box[2] * wide,
                bottom=top + box[3] * high,
            )
        )

    def _crop(self, collection: Collection, image: StoredImage, box: Box, preprocessing: Preprocessing) -> bytes:
        picture = decode(self._indexes.file(collection, image), max_pixels=self._max_pixels)
        pixels, _ = preprocessing.crop(picture)
        seen = PillowImage.fromarray(pixels.permute(1, 2, 0).numpy())
        return png(seen.crop(box))


def _check_place(request: FindPatchesRequest, layer: Layer) -> tuple[int, int] | None:
    """Row and column of a neuron; None for a channel. Raises InvalidInput."""
    if request.HasField("row") != request.HasField("column"):
        raise InvalidInput("row and column go together", field="row", reason="INVALID_PARAMETER")
    if not request.HasField("row"):
        return None
    if layer.grid is None:
        message = f"the layer {layer.name!r} has no grid, so that its channels have no places"
        raise InvalidInput(message, field="row", reason="LAYER_NOT_SPATIAL")
    if request.several_per_image:
        message = "a neuron has one place, so that an image has one patch"
        raise InvalidInput(message, field="several_per_image", reason="CONTRADICTION")
    check_range("row", request.row, 0, layer.grid[0] - 1)
    check_range("column", request.column, 0, layer.grid[1] - 1)
    return request.row, request.column
