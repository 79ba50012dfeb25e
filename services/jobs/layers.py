"""The layer, or the unit of a layer, that a request names, against the model's card."""

from typing import Any

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.synthesis.paper_layers import PAPER_LAYERS
from convscope.services.jobs.orders import check_length
from convscope.v1.model_service_pb2 import Layer, ModelCard, Preprocessing
from convscope.v1.target_pb2 import Unit


def check_layer(name: str, card: ModelCard | None, *, field: str, papers: bool = True) -> Layer | None:
    """The layer of that name; None where only the worker knows: there is no card, or the papers name it so and the
    model has none of that name, where `papers` may name one. Raises InvalidInput for no name, UnknownName with the
    nearest."""
    if not name:
        raise InvalidInput("a layer is required: its dotted name", field=field, reason="LAYER_MISSING")
    check_length(name, "layer", field=field)
    if card is None:
        return None
    layers = {layer.name: layer for layer in card.layers}
    if name not in layers and not (papers and name in PAPER_LAYERS):
        raise UnknownName("layer", name, layers, field=field)
    return layers.get(name)


def check_unit(unit: Unit, card: ModelCard | None, *, field: str) -> dict[str, Any]:
    """A unit as the order has it: layer, channel and, of a neuron, row and column. Raises as check_layer(), and
    InvalidInput for a channel or a place that the layer does not have; each names the field of the unit."""
    layer = check_layer(unit.layer, card, field=f"{field}.layer")
    channels = channels_of(layer, card.preprocessing) if card and layer else None
    _check_number(unit.channel, channels, "channel", unit.layer, field=f"{field}.channel")
    order = {"layer": unit.layer, "channel": unit.channel}
    if unit.HasField("row") != unit.HasField("column"):
        raise InvalidInput("row and column go together", field=f"{field}.row", reason="INVALID_PARAMETER")
    if not unit.HasField("row"):
        return order
    if layer is not None and len(layer.output_shape) == 1:
        message = f"the layer {unit.layer!r} has no grid, so that its channels have no places"
        raise InvalidInput(message, field=f"{field}.row", reason="LAYER_NOT_SPATIAL")
    grid = grid_of(layer, card.preprocessing) if card and layer else None
    height, width = grid or (None, None)
    _check_number(unit.row, height, "row", unit.layer, field=f"{field}.row")
    _check_number(unit.column, width, "column", unit.layer, field=f"{field}.column")
    return {**order, "row": unit.row, "column": unit.column}


def channels_of(layer: Layer, preprocessing: Preprocessing) -> int | None:
    """How many channels a layer has; None where its card does not say."""
    shape = layer.output_shape
    if not shape:
        return None
    return shape[0] if len(shape) == 3 and not _channels_last(layer, preprocessing) else shape[-1]


def grid_of(layer: Layer, preprocessing: Preprocessing) -> tuple[int, int] | None:
    """Height and width of a layer's grid; None where the shape alone does not tell it, as of a transformer's tokens."""
    shape = layer.output_shape
    if len(shape) != 3:
        return None
    return (shape[0], shape[1]) if _channels_last(layer, preprocessing) else (shape[1], shape[2])


def _channels_last(layer: Layer, preprocessing: Preprocessing) -> bool:
    """As the engine's map_layers() finds it: the first two lengths have the picture's proportions, the last two not."""
    shape = layer.output_shape
    return _is_like(shape[0], shape[1], preprocessing) and not _is_like(shape[1], shape[2], preprocessing)


def _is_like(rows: int, columns: int, size: Preprocessing) -> bool:
    return abs(rows * size.width - columns * size.height) <= max(size.width, size.height)


def _check_number(number: int, count: int | None, what: str, layer: str, *, field: str) -> None:
    """count: how many there are; None: only the worker knows."""
    if number < 0 or (count is not None and number >= count):
        there = "" if count is None else f"; the layer {layer!r} has 0 to {count - 1}"
        raise InvalidInput(f"{what} {number} is out of range{there}", field=field, reason="OUT_OF_RANGE")
