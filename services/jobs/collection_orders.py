"""What long work on a collection asks for, checked before anything is queued."""

from collections.abc import Mapping
from typing import Any

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.inspection.perplexity import PROJECTION_METRICS, check_perplexity
from convscope.services.common.collections.collection import Collection, IndexRecord
from convscope.services.common.collections.sources import check_source
from convscope.services.common.errors import IndexUnusable, JobNotFound
from convscope.services.common.jobs.job import State
from convscope.services.common.jobs.kinds import IMPORT_IMAGES, INDEX_COLLECTION, PROJECT_COLLECTION
from convscope.services.common.resource_names import COLLECTIONS, job_id
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.layers import check_layer
from convscope.services.jobs.orders import Order, check_length, make_order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.collection_service_pb2 import (
    ImportImagesRequest,
    IndexCollectionRequest,
    ProjectCollectionRequest,
    ShapesSource,
)
from convscope.v1.model_service_pb2 import ModelCard, ModelTask

MAX_LAYERS = 64
DEFAULT_PATCHES, MOST_PATCHES = 32, 256
MOST_SHAPES = 10_000
TASKS: Mapping[int, str] = {
    ModelTask.MODEL_TASK_UNSPECIFIED: "classify",
    ModelTask.MODEL_TASK_CLASSIFY: "classify",
    ModelTask.MODEL_TASK_CAPTION: "caption",
    ModelTask.MODEL_TASK_VQA: "vqa",
}
COORDINATES = "coordinates.npy"
METHODS: Mapping[int, str] = {
    messages.PROJECTION_METHOD_UNSPECIFIED: "tsne",
    messages.PROJECTION_METHOD_TSNE: "tsne",
    messages.PROJECTION_METHOD_PCA: "pca",
}


def check_index_collection(
    request: IndexCollectionRequest, collection: Collection, card: ModelCard | None, limits: JobsSettings
) -> Order:
    """card: None where nobody has loaded the model. Raises InvalidInput, UnknownName, each naming the field;
    IndexUnusable (COLLECTION_EMPTY)."""
    if not collection.image_count:
        message = f"{COLLECTIONS}{collection.id} has no images; upload some"
        raise IndexUnusable(message, reason="COLLECTION_EMPTY", field="collection")
    if len(request.layers) > MAX_LAYERS:
        message = f"layers must be at most {MAX_LAYERS}, not {len(request.layers)}"
        raise InvalidInput(message, field="layers", reason="OUT_OF_RANGE")
    for place, name in enumerate(request.layers):
        _check_layer(name, card, field=f"layers[{place}]")
        if name in request.layers[:place]:
            message = f"the layer {name!r} is named twice"
            raise InvalidInput(message, field=f"layers[{place}]", reason="INVALID_PARAMETER")
    if request.embedding_layer:
        _check_layer(request.embedding_layer, card, field="embedding_layer")
    patches = request.patches_per_channel if request.HasField("patches_per_channel") else DEFAULT_PATCHES
    if not 1 <= patches <= MOST_PATCHES:
        message = f"patches_per_channel must be 1 to {MOST_PATCHES}, not {patches}"
        raise InvalidInput(message, field="patches_per_channel", reason="OUT_OF_RANGE")
    spec = {
        "collection": collection.id,
        # What comes meanwhile is for the next time.
        "image_count": collection.image_count,
        "part": limits.index_part,
        "layers": list(request.layers),
        "embedding_layer": request.embedding_layer,
        "patches_per_channel": patches,
        "neurons": request.neurons,
    }
    return make_order(INDEX_COLLECTION, request.model, request.options, spec)


def check_import_images(request: ImportImagesRequest, collection: Collection, limits: JobsSettings) -> Order:
    """Raises InvalidInput, SourceForbidden."""
    if request.HasField("shapes") and request.url:
        message = "images come from a URL, or are made; not both"
        raise InvalidInput(message, field="url", reason="CONTRADICTION")
    spec: dict[str, Any] = {"collection": collection.id}
    if request.HasField("shapes"):
        spec["shapes"] = _check_shapes(request.shapes)
    else:
        check_length(request.url, "url", field="url")
        spec["url"] = check_source(request.url, limits.import_roots)
    return make_order(IMPORT_IMAGES, None, request.options, spec)


def _check_shapes(shapes: ShapesSource) -> dict[str, Any]:
    task = TASKS.get(shapes.task)
    if task is None:
        raise InvalidInput("unknown task", field="shapes.task", reason="OUT_OF_RANGE")
    if not 1 <= shapes.count <= MOST_SHAPES:
        message = f"count must be 1 to {MOST_SHAPES}, not {shapes.count}"
        raise InvalidInput(message, field="shapes.count", reason="OUT_OF_RANGE")
    if shapes.seed < 0:
        message = f"seed must be from 0, not {shapes.seed}"
        raise InvalidInput(message, field="shapes.seed", reason="OUT_OF_RANGE")
    return {"task": task, "count": shapes.count, "seed": shapes.seed}


def check_project_collection(request: ProjectCollectionRequest, collection: Collection, desk: Desk) -> Order:
    """Raises InvalidInput, IndexUnusable, each naming the field; JobNotFound."""
    index = _find_index(request.index, collection)
    onto = _find_map(request.onto, collection, index, desk) if request.onto else None
    method = METHODS.get(request.method)
    if method is None:
        raise InvalidInput("unknown method", field="method", reason="OUT_OF_RANGE")
    if request.metric not in ("", *PROJECTION_METRICS):
        raise UnknownName("metric", request.metric, PROJECTION_METRICS, field="metric")
    if method == "pca" and (request.HasField("perplexity") or request.metric or onto is not None):
        message = "perplexity, metric and onto are of t-SNE; PCA has none of them"
        raise InvalidInput(message, field="method", reason="CONTRADICTION")
    if request.seed < 0:
        raise InvalidInput(f"seed must be from 0, not {request.seed}", field="seed", reason="OUT_OF_RANGE")
    perplexity = request.perplexity if request.HasField("perplexity") else None
    if method == "tsne":
        perplexity = check_perplexity(perplexity, index.image_count, field="perplexity")
    spec = {
        "collection": collection.id,
        "index": index.id,
        "method": method,
        "perplexity": perplexity,
        "metric": request.metric or "euclidean",
        "seed": request.seed,
        "onto": onto,
    }
    return make_order(PROJECT_COLLECTION, None, request.options, spec)


def _find_index(id: str, collection: Collection) -> IndexRecord:
    name = f"{COLLECTIONS}{collection.id}"
    if not collection.indexes:
        raise IndexUnusable(f"{name} has no index; index it first", reason="NO_INDEX", field="index")
    if not id:
        return collection.indexes[0]
    for index in collection.indexes:
        if index.id == id:
            return index
    raise UnknownName("index", id, [index.id for index in collection.indexes], field="index")


def _find_map(resource: str, collection: Collection, index: IndexRecord, desk: Desk) -> dict[str, Any]:
    """The map that a job has made: where its coordinates lie, and of how many images they are."""
    try:
        job = desk.find(job_id(resource, field="onto"))
    except JobNotFound as error:
        error.field = "onto"
        raise
    made = job.result if job.kind == PROJECT_COLLECTION else {}
    if job.state is not State.SUCCEEDED or made.get("collection") != collection.id or made.get("index") != index.id:
        message = f"{resource} has made no map of the index {index.id} of {COLLECTIONS}{collection.id}"
        raise InvalidInput(message, field="onto", reason="NO_MAP")
    if job.spec["method"] != "tsne":
        message = f"{resource} has made a map by {job.spec['method']}; images are placed on one by t-SNE"
        raise InvalidInput(message, field="onto", reason="NO_MAP")
    coordinates = next(file.path for file in job.files if file.name == COORDINATES)
    return {"coordinates": coordinates, "image_count": made["image_count"]}


def _check_layer(name: str, card: ModelCard | None, *, field: str) -> None:
    check_layer(name, card, field=field, papers=False)
