"""Every call as a value: which RPC, with what request, and what its response becomes.

Client and AsyncClient differ only in how they carry a plan out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from convscope.client.errors import FailedPrecondition, InvalidArgument
from convscope.client.images import Picture, to_image
from convscope.client.results import Attribution, Classification, Layer, Model, Prediction, Preprocessing, Replica
from convscope.client.tensors import to_array
from convscope.v1 import model_service_pb2, prediction_pb2
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeResponse, ClassifyRequest, ClassifyResponse
from convscope.v1.attribution_service_pb2 import Target as TargetMessage
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.image_pb2 import Image, Region
from convscope.v1.model_service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    LoadModelRequest,
    LoadModelResponse,
    ModelState,
    UnloadModelRequest,
    UnloadModelResponse,
)
from convscope.v1.model_service_pb2_grpc import ModelServiceStub
from convscope.v1.tensor_pb2 import DataType

T = TypeVar("T")
Target = int | str | None
"""A class by index or label; None: the one with the highest score."""

METHOD_FIELDS = AttributeRequest.DESCRIPTOR.oneofs_by_name["method"].fields
METHODS = tuple(field.name for field in METHOD_FIELDS)
PRECISIONS = {"float32": DataType.DATA_TYPE_FLOAT32, "float16": DataType.DATA_TYPE_FLOAT16}


class Stubs:
    """The services of a cluster on one channel, synchronous or asynchronous."""

    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None:
        self.attribution = AttributionServiceStub(channel)
        self.models = ModelServiceStub(channel)


@dataclass(frozen=True)
class Plan(Generic[T]):
    """One call."""

    rpc: Callable[[Stubs], Any]
    request: Message
    parse: Callable[[Any], T]


def list_models(page_token: str) -> Plan[tuple[list[Model], str]]:
    def parse(response: ListModelsResponse) -> tuple[list[Model], str]:
        return [_to_model(model) for model in response.models], response.next_page_token

    return Plan(lambda stubs: stubs.models.ListModels, ListModelsRequest(page_token=page_token), parse)


def get_model(name: str) -> Plan[Model]:
    def parse(response: GetModelResponse) -> Model:
        return _to_model(response.model)

    return Plan(lambda stubs: stubs.models.GetModel, GetModelRequest(name=_resource(name)), parse)


def layers_of(model: Model) -> tuple[Layer, ...]:
    """Raises FailedPrecondition for a model that is not loaded: its layers are not known."""
    if model.state != "loaded":
        message = f"the model {model.name} is {model.state}; its layers are known once it is loaded"
        message += f" (load_model, or convscope load {model.name})"
        raise FailedPrecondition(message, reason="MODEL_NOT_LOADED", field="model")
    return model.layers


def load_model(name: str) -> Plan[Model]:
    def parse(response: LoadModelResponse) -> Model:
        return _to_model(response.model)

    return Plan(lambda stubs: stubs.models.LoadModel, LoadModelRequest(name=_resource(name)), parse)


def unload_model(name: str) -> Plan[Model]:
    def parse(response: UnloadModelResponse) -> Model:
        return _to_model(response.model)

    return Plan(lambda stubs: stubs.models.UnloadModel, UnloadModelRequest(name=_resource(name)), parse)


def classify(image: Picture, model: str, top_k: int) -> Plan[Classification]:
    def parse(response: ClassifyResponse) -> Classification:
        return Classification(_to_predictions(response.predictions), _to_region(response.region))

    request = ClassifyRequest(model=_resource(model), image=to_image(image), top_k=_integer("top_k", top_k))
    return Plan(lambda stubs: stubs.attribution.Classify, request, parse)


def attribute(
    image: Picture,
    *,
    model: str,
    method: str,
    target: Target,
    top_k: int,
    precision: str,
    parameters: dict[str, Any],
) -> Plan[Attribution]:
    """`parameters` that are None are left to the server's defaults. Raises InvalidArgument."""
    request = AttributeRequest(
        model=_resource(model),
        image=to_image(image),
        target=to_target(target),
        data_type=_precision(precision),
        top_k=_integer("top_k", top_k),
    )
    _set_method(request, method, {name: value for name, value in parameters.items() if value is not None})

    def parse(response: AttributeResponse) -> Attribution:
        return to_attribution(response, method, model, request.image)

    return Plan(lambda stubs: stubs.attribution.Attribute, request, parse)


def to_attribution(response: AttributeResponse, method: str, model: str, image: Image) -> Attribution:
    return Attribution(
        values=to_array(response.attribution),
        method=method,
        model=model,
        target=_to_prediction(response.target),
        predictions=_to_predictions(response.predictions),
        region=_to_region(response.region),
        input_size=(response.input_height, response.input_width),
        layer=response.layer,
        precision=response.precision,
        cached=response.cached,
        image=image,
    )


def to_target(target: Target) -> TargetMessage | None:
    """Raises InvalidArgument (field `target`)."""
    match target:
        case None:
            return None
        case str():
            return TargetMessage(class_label=_text("target", target, "UNKNOWN_CLASS"))
        case _:
            return TargetMessage(class_index=_integer("target", target))


def _set_method(request: AttributeRequest, method: str, parameters: dict[str, Any]) -> None:
    if method not in METHODS:
        message = f"unknown method {method!r}; known: {', '.join(METHODS)}"
        raise InvalidArgument(message, field="method", reason="UNKNOWN_METHOD")
    chosen = getattr(request, method)
    chosen.SetInParent()
    known = [field.name for field in chosen.DESCRIPTOR.fields]
    for name, value in parameters.items():
        if name not in known:
            message = f"{method} has no parameter {name!r}; it has {', '.join(known)}"
            raise InvalidArgument(message, field=name, reason="INVALID_PARAMETER")
        try:
            setattr(chosen, name, value)
        except (TypeError, ValueError) as error:
            message = f"{name} cannot be {value!r}: {error}"
            raise InvalidArgument(message, field=name, reason="INVALID_PARAMETER") from error


def _precision(name: str) -> DataType:
    if name not in PRECISIONS:
        message = f"unknown precision {name!r}; known: {', '.join(PRECISIONS)}"
        raise InvalidArgument(message, field="precision", reason="OUT_OF_RANGE")
    return PRECISIONS[name]


def _integer(field: str, value: object) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidArgument(f"{field} must be a whole number, not {value!r}", field=field, reason="OUT_OF_RANGE")
    number = int(value.__index__())
    if not -(2**31) <= number < 2**31:
        raise InvalidArgument(f"{field} {number} is out of range", field=field, reason="OUT_OF_RANGE")
    return number


def _text(field: str, value: str, reason: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{field} {value!a} is no text", field=field, reason=reason) from None
    return value


def _resource(model: str) -> str:
    _text("model", model, "UNKNOWN_MODEL")
    return model if model.startswith("models/") or not model else f"models/{model}"


def _state(state: ModelState) -> str:
    return ModelState.Name(state).removeprefix("MODEL_STATE_").lower()


def _to_model(message: model_service_pb2.Model) -> Model:
    card = message.card
    return Model(
        name=message.name.removeprefix("models/"),
        description=message.description,
        state=_state(message.state),
        replicas=tuple(Replica(one.replica, _state(one.state), one.message) for one in message.replicas),
        weights_digest=card.weights_digest,
        preprocessing=_to_preprocessing(card.preprocessing) if message.HasField("card") else None,
        class_count=card.class_count,
        parameter_count=card.parameter_count,
        suggested_layer=card.suggested_layer,
        device=card.device,
        labels=tuple(card.labels),
        layers=tuple(Layer(one.name, one.type, tuple(one.output_shape), one.calls) for one in card.layers),
    )


def _to_preprocessing(message: model_service_pb2.Preprocessing) -> Preprocessing:
    return Preprocessing(
        resize=message.resize,
        height=message.height,
        width=message.width,
        interpolation=message.interpolation,
        mean=tuple(message.mean),
        std=tuple(message.std),
    )


def _to_prediction(message: prediction_pb2.Prediction) -> Prediction:
    return Prediction(message.index, message.label, message.score, message.probability)


def _to_predictions(messages: Any) -> tuple[Prediction, ...]:
    return tuple(_to_prediction(message) for message in messages)


def _to_region(message: Region) -> tuple[float, float, float, float]:
    return (message.left, message.top, message.right, message.bottom)
