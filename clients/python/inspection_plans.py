"""The calls that look into a network, as plans."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.arguments import check_integer, check_text, listed
from convscope.client.errors import InvalidArgument
from convscope.client.images import Picture, Preprocessed, to_image
from convscope.client.inspection import Activation, Activations, Filters
from convscope.client.parse import to_predictions, to_region
from convscope.client.plans import Plan, resource, to_data_type
from convscope.client.tensors import to_array
from convscope.v1.image_pb2 import Image
from convscope.v1.inspection_service_pb2 import (
    EmbedRequest,
    EmbedResponse,
    GetActivationsRequest,
    GetActivationsResponse,
    GetFiltersRequest,
    GetFiltersResponse,
)

ORDERS = {
    "index": GetActivationsRequest.ORDER_INDEX,
    "maximum": GetActivationsRequest.ORDER_MAXIMUM,
    "mean": GetActivationsRequest.ORDER_MEAN,
}
Numbers = int | Iterable[int]
# Pictures of one call, in number and in bytes.
MOST_IMAGES, MOST_BYTES = 32, 32 * 1024 * 1024


def get_filters(*, model: str, layer: str, outputs: Numbers, inputs: Numbers, data_type: str) -> Plan[Filters]:
    """Raises InvalidArgument."""
    request = GetFiltersRequest(
        model=resource(model),
        layer=check_text("layer", layer, "UNKNOWN_LAYER"),
        outputs=_numbers("outputs", outputs),
        inputs=_numbers("inputs", inputs),
        data_type=to_data_type(data_type),
    )

    def parse(response: GetFiltersResponse) -> Filters:
        return Filters(
            to_array(response.weights),
            model,
            layer,
            outputs=tuple(response.outputs),
            inputs=tuple(response.inputs),
            groups=response.groups,
            output_count=response.output_count,
            input_count=response.input_count,
        )

    return Plan(lambda stubs: stubs.inspection.GetFilters, request, parse)


def get_activations(
    image: Picture,
    *,
    model: str,
    layers: str | Iterable[str],
    channels: Numbers,
    order: str,
    limit: int | None,
    top_k: int,
    data_type: str,
) -> Plan[Activations]:
    """Raises InvalidArgument."""
    if order not in ORDERS:
        message = f"unknown order {order!r}; known: {', '.join(ORDERS)}"
        raise InvalidArgument(message, field="order", reason="OUT_OF_RANGE")
    names = [layers] if isinstance(layers, str) else listed("layers", layers, "the name of a layer or several")
    request = GetActivationsRequest(
        model=resource(model),
        image=to_image(image),
        layers=[check_text(f"layers[{number}]", name, "UNKNOWN_LAYER") for number, name in enumerate(names)],
        channels=_numbers("channels", channels),
        order=ORDERS[order],
        limit=0 if limit is None else check_integer("limit", limit),
        top_k=check_integer("top_k", top_k),
        data_type=to_data_type(data_type),
    )

    def parse(response: GetActivationsResponse) -> Activations:
        region = to_region(response.region)
        activations = tuple(
            Activation(
                to_array(one.values), model, one.layer, tuple(one.channels), one.channel_count, request.image, region
            )
            for one in response.activations
        )
        return Activations(activations, to_predictions(response.predictions), region)

    return Plan(lambda stubs: stubs.inspection.GetActivations, request, parse)


def embed(images: Picture | Iterable[Picture], *, model: str, layer: str | None) -> Iterator[Plan[NDArray[np.float32]]]:
    """As many calls as the pictures take. Raises InvalidArgument, a picture's as it is come to."""
    name = resource(model)
    chosen = "" if layer is None else check_text("layer", layer, "UNKNOWN_LAYER")
    sent: list[Image] = []
    size = 0
    for number, picture in enumerate(_each(images)):
        try:
            image = to_image(picture)
        except InvalidArgument as error:
            error.field = f"images[{number}]"
            raise
        if sent and (len(sent) == MOST_IMAGES or size + image.ByteSize() > MOST_BYTES):
            yield _embed(name, sent, chosen)
            sent, size = [], 0
        sent.append(image)
        size += image.ByteSize()
    if not sent:
        raise InvalidArgument("at least one picture is required", field="images", reason="OUT_OF_RANGE")
    yield _embed(name, sent, chosen)


def _embed(model: str, images: list[Image], layer: str) -> Plan[NDArray[np.float32]]:
    def parse(response: EmbedResponse) -> NDArray[np.float32]:
        return to_array(response.embeddings)

    request = EmbedRequest(model=model, images=images, layer=layer)
    return Plan(lambda stubs: stubs.inspection.Embed, request, parse)


def _each(images: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """One picture, or several, as several. An array with a fourth dimension holds several."""
    if isinstance(images, np.ndarray) and images.ndim == 4:
        return list(images)
    if isinstance(images, str | bytes | bytearray | memoryview | PillowImage.Image | Preprocessed | np.ndarray):
        return [images]  # type: ignore[list-item]  # what is no picture is told by to_image
    return listed("images", images, "a picture or several") if isinstance(images, Iterable) else [images]


def _numbers(field: str, numbers: Numbers) -> list[int]:
    if not isinstance(numbers, Iterable):
        return [check_integer(field, numbers)]
    return [check_integer(f"{field}[{place}]", number) for place, number in enumerate(numbers)]
