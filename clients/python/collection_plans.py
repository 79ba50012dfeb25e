"""Every call about collections as a value; see plans.py."""

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from convscope.client.arguments import check_choice, check_finite, check_integer, check_text, check_truth, listed
from convscope.client.collection_info import CollectionImage, CollectionIndex, CollectionInfo, Described
from convscope.client.collection_map import CollectionMap
from convscope.client.collection_parse import to_collection_image, to_collection_info
from convscope.client.errors import InvalidArgument
from convscope.client.job_plans import call_name, job_of, job_resource, to_options
from convscope.client.plans import Plan, resource
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.collection_service_pb2 import (
    CreateCollectionRequest,
    CreateCollectionResponse,
    DeleteCollectionRequest,
    GetCollectionRequest,
    GetCollectionResponse,
    GetImageRequest,
    GetImageResponse,
    ImportImagesRequest,
    IndexCollectionRequest,
    ListCollectionsRequest,
    ListCollectionsResponse,
    ListImagesRequest,
    ListImagesResponse,
    ProjectCollectionRequest,
    ShapesSource,
)
from convscope.v1.model_service_pb2 import MODEL_TASK_CAPTION, MODEL_TASK_CLASSIFY, MODEL_TASK_VQA

T = TypeVar("T")
TASKS = {"classify": MODEL_TASK_CLASSIFY, "caption": MODEL_TASK_CAPTION, "vqa": MODEL_TASK_VQA}
"""What can be asked of a picture that is made."""
METHODS = {"tsne": messages.PROJECTION_METHOD_TSNE, "pca": messages.PROJECTION_METHOD_PCA}
"""How a map can be made."""


class Named(Protocol):
    """A job of either client."""

    name: str


class Pages(Protocol[T]):
    """A list of things, page by page."""

    over: bool
    """Whether the last page has come."""

    def plan(self) -> Plan[list[T]]:
        """The next page."""


def create_collection(display_name: str, *, request_id: str | None) -> Plan[CollectionInfo]:
    """Raises InvalidArgument."""
    request = CreateCollectionRequest(
        display_name=check_text("display_name", display_name, "OUT_OF_RANGE"), request_id=call_name(request_id)
    )

    def parse(response: CreateCollectionResponse) -> CollectionInfo:
        return to_collection_info(response.collection)

    return Plan(lambda stubs: stubs.collections.CreateCollection, request, parse)


def get_collection(name: str) -> Plan[CollectionInfo]:
    """Raises InvalidArgument."""

    def parse(response: GetCollectionResponse) -> CollectionInfo:
        return to_collection_info(response.collection)

    request = GetCollectionRequest(name=collection_resource(name))
    return Plan(lambda stubs: stubs.collections.GetCollection, request, parse)


def list_collections(page_token: str) -> Plan[tuple[list[CollectionInfo], str]]:
    def parse(response: ListCollectionsResponse) -> tuple[list[CollectionInfo], str]:
        return [to_collection_info(one) for one in response.collections], response.next_page_token

    return Plan(lambda stubs: stubs.collections.ListCollections, ListCollectionsRequest(page_token=page_token), parse)


def delete_collection(name: str) -> Plan[None]:
    request = DeleteCollectionRequest(name=name)
    return Plan(lambda stubs: stubs.collections.DeleteCollection, request, lambda _: None)


class ImagePages:
    """The images of a collection, page by page."""

    def __init__(self, collection: str, page_size: int | None) -> None:
        """Raises InvalidArgument."""
        self._request = ListImagesRequest(
            collection=collection, page_size=None if page_size is None else check_integer("page_size", page_size)
        )
        self.over = False
        """Whether the last page has come."""

    def plan(self) -> Plan[list[CollectionImage]]:
        """The next page."""
        return Plan(lambda stubs: stubs.collections.ListImages, self._request, self._take)

    def _take(self, response: ListImagesResponse) -> list[CollectionImage]:
        self._request.page_token = response.next_page_token
        self.over = not response.next_page_token
        return [to_collection_image(one) for one in response.images]


def get_image(collection: str, number: int) -> Plan[bytes]:
    """Gives the file. Raises InvalidArgument."""

    def parse(response: GetImageResponse) -> bytes:
        return response.content

    request = GetImageRequest(collection=collection, number=check_integer("number", number, bits=64))
    return Plan(lambda stubs: stubs.collections.GetImage, request, parse)


def import_images(collection: str, url: str, *, priority: int | None, request_id: str | None) -> Plan[str]:
    """Gives the name of the job. Raises InvalidArgument."""
    request = ImportImagesRequest(
        collection=collection,
        url=check_text("url", url, "URL_INVALID"),
        options=to_options(priority, request_id),
    )
    return Plan(lambda stubs: stubs.collections.ImportImages, request, job_of)


def import_shapes(
    collection: str, task: str, count: int, *, seed: int | None, priority: int | None, request_id: str | None
) -> Plan[str]:
    """As import_images()."""
    shapes = ShapesSource(
        task=check_choice("task", task, TASKS),
        count=check_integer("count", count),
        seed=None if seed is None else check_integer("seed", seed, bits=64),
    )
    request = ImportImagesRequest(collection=collection, shapes=shapes, options=to_options(priority, request_id))
    return Plan(lambda stubs: stubs.collections.ImportImages, request, job_of)


def index(
    collection: str,
    *,
    model: str,
    layers: str | Iterable[str],
    embedding_layer: str | None,
    patches_per_channel: int | None,
    neurons: bool,
    priority: int | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    names = [layers] if isinstance(layers, str) else listed("layers", layers, "the name of a layer or several")
    embedding, patches = embedding_layer, patches_per_channel
    request = IndexCollectionRequest(
        collection=collection,
        model=resource(model),
        layers=[check_text(f"layers[{place}]", name, "UNKNOWN_LAYER") for place, name in enumerate(names)],
        embedding_layer=None if embedding is None else check_text("embedding_layer", embedding, "UNKNOWN_LAYER"),
        patches_per_channel=None if patches is None else check_integer("patches_per_channel", patches),
        neurons=check_truth("neurons", neurons),
        options=to_options(priority, request_id),
    )
    return Plan(lambda stubs: stubs.collections.IndexCollection, request, job_of)


def project(
    collection: str,
    *,
    index: str | CollectionIndex | None,
    method: str,
    perplexity: float | None,
    metric: str | None,
    seed: int | None,
    onto: str | Named | CollectionMap | None,
    priority: int | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    if isinstance(index, CollectionIndex):
        index = index.name
    job: Any = onto.job.name if isinstance(onto, CollectionMap) else getattr(onto, "name", onto)
    request = ProjectCollectionRequest(
        collection=collection,
        index=None if index is None else check_text("index", index, "UNKNOWN_INDEX"),
        method=check_choice("method", method, METHODS),
        perplexity=None if perplexity is None else check_finite("perplexity", perplexity),
        metric=None if metric is None else check_text("metric", metric, "UNKNOWN_METRIC"),
        seed=None if seed is None else check_integer("seed", seed, bits=64),
        onto=None if job is None else job_resource(job, field="onto"),
        options=to_options(priority, request_id),
    )
    return Plan(lambda stubs: stubs.collections.ProjectCollection, request, job_of)


def of_only_model(plan: Plan[T], info: CollectionInfo) -> Plan[T]:
    """The same call, of the model that all indexes of a collection are of. Raises InvalidArgument (field `model`) where
    there is no index, or where they are of several models."""
    models = sorted({index.model for index in info.indexes})
    if len(models) != 1:
        which = f"has indexes of {', '.join(models)}" if models else "has no index"
        message = f"a model must be named: {info.name} {which}"
        raise InvalidArgument(message, field="model", reason="MODEL_MISSING")
    request: Any = plan.request
    request.model = resource(models[0])
    return plan


def to_collection_name(collection: str | Described) -> str:
    """The resource name of one that is named, or given itself. Raises InvalidArgument (field `collection`)."""
    if isinstance(collection, Described):
        return collection.name
    return collection_resource(collection, field="collection")


def collection_resource(name: str, *, field: str = "name") -> str:
    """The collection's resource name. Raises InvalidArgument."""
    check_text(field, name, "UNKNOWN_COLLECTION")
    return name if name.startswith("collections/") or not name else f"collections/{name}"
