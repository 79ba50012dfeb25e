"""The calls that ask an index of a collection, as plans."""

from numbers import Integral

from PIL import Image as PillowImage

from convscope.client.arguments import check_choice, check_integer, check_text, check_truth
from convscope.client.errors import InvalidArgument
from convscope.client.images import Picture, to_image, to_picture
from convscope.client.neighbors import Neighbor, Neighbors
from convscope.client.parse import to_prediction, to_region
from convscope.client.patches import Patch, Patches
from convscope.client.plans import Plan, resource
from convscope.client.targets import to_place
from convscope.v1 import inspection_service_pb2 as messages
from convscope.v1.image_pb2 import Image
from convscope.v1.inspection_service_pb2 import (
    FindNeighborsRequest,
    FindNeighborsResponse,
    FindPatchesRequest,
    FindPatchesResponse,
)

SPACES = {"features": messages.NEIGHBOR_SPACE_FEATURES, "pixels": messages.NEIGHBOR_SPACE_PIXELS}
METRICS = {
    "l2": messages.NEIGHBOR_METRIC_L2,
    "cosine": messages.NEIGHBOR_METRIC_COSINE,
    "inner_product": messages.NEIGHBOR_METRIC_INNER_PRODUCT,
}


def find_patches(
    collection: str,
    *,
    model: str | None,
    layer: str,
    channel: int,
    place: tuple[int, int] | None,
    k: int | None,
    several_per_image: bool,
    crops: bool,
) -> Plan[Patches]:
    """model: None where it is still to be found out. Raises InvalidArgument."""
    row, column = (None, None) if place is None else to_place(place)
    request = FindPatchesRequest(
        collection=collection,
        model=None if model is None else resource(model),
        layer=check_text("layer", layer, "UNKNOWN_LAYER"),
        channel=check_integer("channel", channel),
        k=None if k is None else check_integer("k", k),
        several_per_image=check_truth("several_per_image", several_per_image),
        crops=check_truth("crops", crops),
        row=row,
        column=column,
    )

    def parse(response: FindPatchesResponse) -> Patches:
        return Patches(
            tuple(_to_patch(one) for one in response.patches),
            model=request.model.removeprefix("models/"),
            layer=request.layer,
            channel=request.channel,
            exact=response.exact,
            index_name=response.index,
            image_count=response.image_count,
        )

    return Plan(lambda stubs: stubs.inspection.FindPatches, request, parse)


def find_neighbors(
    collection: str,
    query: Image | int,
    *,
    model: str | None,
    k: int,
    space: str,
    metric: str,
    embedding_layer: str | None,
    thumbnails: bool,
) -> Plan[Neighbors]:
    """query: what to_query() gives. model: None where it is still to be found out. Raises InvalidArgument."""
    request = FindNeighborsRequest(
        collection=collection,
        model=None if model is None else resource(model),
        k=check_integer("k", k),
        space=check_choice("space", space, SPACES),
        metric=check_choice("metric", metric, METRICS),
        thumbnails=check_truth("thumbnails", thumbnails),
    )
    if embedding_layer is not None:
        request.embedding_layer = check_text("embedding_layer", embedding_layer, "UNKNOWN_LAYER")
    if isinstance(query, int):
        request.number = query
    else:
        request.image.CopyFrom(query)

    def parse(response: FindNeighborsResponse) -> Neighbors:
        return Neighbors(
            tuple(_to_neighbor(one) for one in response.neighbors),
            model=request.model.removeprefix("models/"),
            space=space,
            metric=metric,
            index_name=response.index,
            image_count=response.image_count,
        )

    return Plan(lambda stubs: stubs.inspection.FindNeighbors, request, parse)


def to_query(image: Picture | int) -> Image | int:
    """A picture, or the number of an image of the collection, NumPy's too. Raises InvalidArgument."""
    if isinstance(image, Integral) and not isinstance(image, bool):
        return check_integer("number", image, bits=64)
    return to_image(image)  # type: ignore[arg-type]  # what is no picture is told by it


def compare_neighbors(
    collection: str, image: Picture | int, *, model: str | None, k: int, metric: str, embedding_layer: str | None
) -> tuple[Image | int, Plan[Neighbors], Plan[Neighbors]]:
    """The query; its neighbours by features, and pixel by pixel. Raises InvalidArgument."""
    query = to_query(image)
    if isinstance(query, Image) and query.WhichOneof("content") == "preprocessed":
        message = "an array that is preprocessed for a model cannot be compared pixel by pixel; give the picture itself"
        raise InvalidArgument(message, field="image", reason="IMAGE_PREPROCESSED")
    features, pixels = (
        find_neighbors(
            collection, query, model=model, k=k, space=space, metric=by, embedding_layer=embedding_layer,
            thumbnails=True,
        )
        for space, by in (("features", metric), ("pixels", "l2"))
    )  # fmt: skip
    return query, features, pixels


def to_query_picture(query: Image) -> PillowImage.Image:
    """The upright picture, RGB, of a query that is not preprocessed."""
    picture = to_picture(query)
    assert picture is not None
    return picture


def _to_patch(message: messages.Patch) -> Patch:
    return Patch(
        number=message.number,
        file_name=message.file_name,
        activation=message.activation,
        place=(message.row, message.column),
        region=to_region(message.region),
        input_region=to_region(message.input_region),
        png=message.crop,
    )


def _to_neighbor(message: messages.Neighbor) -> Neighbor:
    return Neighbor(
        number=message.number,
        file_name=message.file_name,
        distance=message.distance,
        prediction=to_prediction(message.prediction),
        jpeg=message.thumbnail,
    )
