"""What a request asks for, checked before anything is paid."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from convscope.engine.attribution.method import TOP_CLASS
from convscope.engine.attribution.methods import METHODS, find_method
from convscope.engine.errors import ConvscopeError, InvalidInput, UnknownName
from convscope.engine.imaging.colormap import COLORMAPS
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Task
from convscope.v1.attribution_service_pb2 import AttributeRequest, Overlay, Target
from convscope.v1.tensor_pb2 import DataType

MODELS = "models/"
DEFAULT_TOP_K = 5
MAX_TOP_K = 1000


@dataclass(frozen=True)
class Question:
    """An AttributeRequest, checked against its model."""

    task: Task
    target: int
    layer: str
    """The layer that the method looks at; empty for none."""
    top_k: int


def model_name(name: str, *, field: str) -> str:
    """The catalogue's name in a resource name, models/{model}; a bare one will do. Raises InvalidInput."""
    if not name.removeprefix(MODELS):
        raise InvalidInput("a model is required: models/{model}", field=field, reason="MODEL_MISSING")
    return name.removeprefix(MODELS)


def check_request(request: AttributeRequest, model: Model) -> Question:
    """Raises InvalidInput and its kin, each naming the field; MethodUnsupported."""
    name = request.WhichOneof("method")
    if name is None:
        message = f"a method is required that this server knows: {', '.join(METHODS)}"
        raise InvalidInput(message, field="method", reason="UNKNOWN_METHOD")
    values = set_fields(getattr(request, name))
    try:
        method, parameters = find_method(name, values)
        layer = method.layer(model.layers, parameters) if method.layer else ""
    except ConvscopeError as error:
        error.field = f"{name}.{error.field}"
        raise
    if request.data_type not in (
        DataType.DATA_TYPE_UNSPECIFIED,
        DataType.DATA_TYPE_FLOAT32,
        DataType.DATA_TYPE_FLOAT16,
    ):
        raise InvalidInput("data_type must be float32 or float16", field="data_type", reason="OUT_OF_RANGE")
    if request.HasField("overlay"):
        _check_overlay(request)
    top_k = request.top_k if request.HasField("top_k") else DEFAULT_TOP_K
    _check_range("top_k", top_k, 0, MAX_TOP_K)
    return Question(Task(name, method, parameters), target_class(request.target, model), layer, top_k)


def target_class(target: Target, model: Model) -> int:
    """The class that a target names; TOP_CLASS for none. Raises UnknownName, InvalidInput."""
    match target.WhichOneof("kind"):
        case "class_index":
            return model.labels.check_index(target.class_index)
        case "class_label":
            return model.labels.index_of(target.class_label)
        case _:
            return TOP_CLASS


def check_top_k(top_k: int) -> int:
    """Raises InvalidInput."""
    _check_range("top_k", top_k, 1, MAX_TOP_K)
    return top_k


def set_fields(message: Message) -> dict[str, Any]:
    """The fields of a message that the caller set, by name."""
    return {field.name: value for field, value in message.ListFields()}


def _check_overlay(request: AttributeRequest) -> None:
    overlay = request.overlay
    if request.image.WhichOneof("content") == "preprocessed":
        message = "a preprocessed image has no picture to draw on; ask for the heatmap"
        raise InvalidInput(message, field="overlay", reason="NO_PICTURE")
    if overlay.colormap and overlay.colormap not in COLORMAPS:
        raise UnknownName("colormap", overlay.colormap, COLORMAPS, field="overlay.colormap")
    if overlay.HasField("opacity"):
        _check_range("overlay.opacity", overlay.opacity, 0, 1)
    if overlay.format not in Overlay.Format.values():
        raise InvalidInput("format must be PNG or JPEG", field="overlay.format", reason="OUT_OF_RANGE")


def _check_range(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN too
        raise InvalidInput(f"{field} must be {low} to {high}, not {value}", field=field, reason="OUT_OF_RANGE")
