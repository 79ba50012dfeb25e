"""What a request to look into a network asks for, checked before anything is paid."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.engine.errors import ConvscopeError, InvalidInput, UnknownName
from convscope.engine.imaging.colormap import COLORMAPS
from convscope.engine.imaging.tiles import Normalization
from convscope.engine.inspection.activations import Order as ChannelOrder
from convscope.engine.models.layers import Layer
from convscope.engine.models.model import Model
from convscope.services.attribution.requests import check_data_type, check_range, check_top_k
from convscope.v1 import inspection_service_pb2
from convscope.v1.inspection_service_pb2 import EmbedRequest, GetActivationsRequest, GetFiltersRequest, Grid
from convscope.v1.tensor_pb2 import DataType

MAX_LAYERS = 64
MAX_IMAGES = 64
# Of all activations of one answer together: 64 MiB of float32.
MAX_NUMBERS = 2**24
NORMALIZATIONS: Mapping[int, Normalization] = {
    inspection_service_pb2.NORMALIZATION_UNSPECIFIED: "each",
    inspection_service_pb2.NORMALIZATION_EACH: "each",
    inspection_service_pb2.NORMALIZATION_COMMON: "common",
}
ORDERS: Mapping[int, ChannelOrder] = {
    GetActivationsRequest.ORDER_UNSPECIFIED: "index",
    GetActivationsRequest.ORDER_INDEX: "index",
    GetActivationsRequest.ORDER_MAXIMUM: "maximum",
    GetActivationsRequest.ORDER_MEAN: "mean",
}


@dataclass(frozen=True)
class GridForm:
    """How a grid of small pictures is drawn."""

    normalization: Normalization
    colormap: str


@dataclass(frozen=True)
class ActivationOrder:
    """The layers to look at, and what of them is wanted."""

    layers: tuple[Layer, ...]
    channels: tuple[int, ...]
    """None: all."""
    order: ChannelOrder
    limit: int
    """0: none."""
    data_type: DataType
    top_k: int
    grid: GridForm | None


def check_filters(request: GetFiltersRequest) -> GridForm | None:
    """How to draw; None: not at all. Raises InvalidInput, UnknownName; the engine checks the rest."""
    check_data_type(request.data_type)
    return _check_grid(request)


def check_activations(request: GetActivationsRequest, model: Model) -> ActivationOrder:
    """Raises InvalidInput, UnknownName; each names the field."""
    if request.order not in ORDERS:
        raise InvalidInput("unknown order", field="order", reason="OUT_OF_RANGE")
    if request.limit < 0:
        message = f"limit must be from 0, not {request.limit}"
        raise InvalidInput(message, field="limit", reason="OUT_OF_RANGE")
    check_data_type(request.data_type)
    grid = _check_grid(request)
    if grid and request.image.WhichOneof("content") == "preprocessed":
        message = "a preprocessed image has no picture to draw; ask for the activations"
        raise InvalidInput(message, field="grid", reason="NO_PICTURE")
    layers = _check_layers(request.layers, model)
    for layer in layers:
        _check_channels(request.channels, layer)
    order = ActivationOrder(
        layers=layers,
        channels=tuple(request.channels),
        order=ORDERS[request.order],
        limit=request.limit,
        data_type=request.data_type,
        top_k=check_top_k(request.top_k if request.HasField("top_k") else 5, least=0),
        grid=grid,
    )
    numbers = sum(map(math.prod, (layer.output_shape for layer in layers)))
    if numbers > MAX_NUMBERS:
        message = f"the layers give {numbers} numbers; at most {MAX_NUMBERS} go through at once: name fewer layers"
        raise InvalidInput(message, field="layers", reason="OUT_OF_RANGE")
    return order


def check_embed(request: EmbedRequest, model: Model) -> None:
    """Raises InvalidInput, UnknownName; each names the field."""
    check_range("images", len(request.images), 1, MAX_IMAGES, of="pictures")
    if request.layer:
        model.layers.layer(request.layer)


def _check_layers(names: Sequence[str], model: Model) -> tuple[Layer, ...]:
    check_range("layers", len(names), 1, MAX_LAYERS, of="layers")
    layers = []
    for number, name in enumerate(names):
        try:
            layers.append(model.layers.layer(name))
        except ConvscopeError as error:
            error.field = f"layers[{number}]"
            raise
        if name in names[:number]:
            raise InvalidInput(f"{name!r} is there twice", field=f"layers[{number}]", reason="OUT_OF_RANGE")
    return tuple(layers)


def _check_channels(channels: Sequence[int], layer: Layer) -> None:
    for number, channel in enumerate(channels):
        if not 0 <= channel < layer.channels:
            message = f"the layer {layer.name!r} has channels 0 to {layer.channels - 1}, not {channel}"
            raise InvalidInput(message, field=f"channels[{number}]", reason="OUT_OF_RANGE")
        if channel in channels[:number]:
            raise InvalidInput(f"{channel} is there twice", field=f"channels[{number}]", reason="OUT_OF_RANGE")


def _check_grid(request: GetFiltersRequest | GetActivationsRequest) -> GridForm | None:
    if not request.HasField("grid"):
        return None
    grid: Grid = request.grid
    if grid.normalization not in NORMALIZATIONS:
        raise InvalidInput("unknown normalization", field="grid.normalization", reason="OUT_OF_RANGE")
    if grid.colormap and grid.colormap not in COLORMAPS:
        raise UnknownName("colormap", grid.colormap, COLORMAPS, field="grid.colormap")
    return GridForm(NORMALIZATIONS[grid.normalization], grid.colormap or "gray")
