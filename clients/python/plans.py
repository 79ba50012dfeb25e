"""Every call as a value: which RPC, with what request, and what its response becomes.

Client and AsyncClient differ only in how they carry a plan out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.longrunning.operations_pb2_grpc import OperationsStub  # type: ignore[import-untyped,unused-ignore]
from google.protobuf.message import Message

from convscope.client.arguments import check_integer, check_text, under
from convscope.client.errors import FailedPrecondition, InvalidArgument
from convscope.client.images import Picture, to_image
from convscope.client.methods import Variant, to_method
from convscope.client.parse import to_attribution, to_classification, to_comparison, to_failure_analysis, to_model
from convscope.client.results import Attribution, Classification, Comparison, FailureAnalysis, Layer, Model
from convscope.client.targets import ClassName, Target, to_class, to_target
from convscope.v1.attribution_service_pb2 import (
    PRECISION_BFLOAT16,
    PRECISION_FLOAT32,
    PRECISION_UNSPECIFIED,
    AnalyzeFailureRequest,
    AnalyzeFailureResponse,
    AttributeRequest,
    AttributeResponse,
    ClassifyRequest,
    CompareRequest,
    CompareResponse,
    Precision,
)
from convscope.v1.attribution_service_pb2 import Variant as VariantMessage
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.collection_service_pb2_grpc import CollectionServiceStub
from convscope.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from convscope.v1.inspection_service_pb2_grpc import InspectionServiceStub
from convscope.v1.job_service_pb2_grpc import JobServiceStub
from convscope.v1.model_service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    LoadModelRequest,
    LoadModelResponse,
    UnloadModelRequest,
    UnloadModelResponse,
)
from convscope.v1.model_service_pb2_grpc import ModelServiceStub
from convscope.v1.synthesis_service_pb2_grpc import SynthesisServiceStub
from convscope.v1.target_pb2 import Target as TargetMessage
from convscope.v1.tensor_pb2 import DataType

T = TypeVar("T")
U = TypeVar("U")
DATA_TYPES = {"float32": DataType.DATA_TYPE_FLOAT32, "float16": DataType.DATA_TYPE_FLOAT16}
PRECISIONS = {None: PRECISION_UNSPECIFIED, "float32": PRECISION_FLOAT32, "bfloat16": PRECISION_BFLOAT16}


class Stubs:
    """The services of a cluster on one channel, synchronous or asynchronous."""

    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None:
        self.attribution = AttributionServiceStub(channel)
        self.collections = CollectionServiceStub(channel)
        self.evaluation = EvaluationServiceStub(channel)
        self.inspection = InspectionServiceStub(channel)
        self.models = ModelServiceStub(channel)
        self.synthesis = SynthesisServiceStub(channel)
        self.jobs = JobServiceStub(channel)
        self.operations = OperationsStub(channel)


@dataclass(frozen=True)
class Plan(Generic[T]):
    """One call."""

    rpc: Callable[[Stubs], Any]
    request: Message
    parse: Callable[[Any], T]

    def then(self, step: "Callable[[T], U]") -> "Plan[U]":
        """The same call, whose answer goes one step further."""
        return Plan(self.rpc, self.request, lambda response: step(self.parse(response)))


def list_models(page_token: str) -> Plan[tuple[list[Model], str]]:
    def parse(response: ListModelsResponse) -> tuple[list[Model], str]:
        return [to_model(model) for model in response.models], response.next_page_token

    return Plan(lambda stubs: stubs.models.ListModels, ListModelsRequest(page_token=page_token), parse)


def get_model(name: str) -> Plan[Model]:
    def parse(response: GetModelResponse) -> Model:
        return to_model(response.model)

    return Plan(lambda stubs: stubs.models.GetModel, GetModelRequest(name=resource(name)), parse)


def layers_of(model: Model) -> tuple[Layer, ...]:
    """Raises FailedPrecondition for a model that is not loaded: its layers are not known."""
    if model.state != "loaded":
        message = f"the model {model.name} is {model.state}; its layers are known once it is loaded"
        message += f" (load_model, or convscope load {model.name})"
        raise FailedPrecondition(message, reason="MODEL_NOT_LOADED", field="model")
    return model.layers


def load_model(name: str) -> Plan[Model]:
    def parse(response: LoadModelResponse) -> Model:
        return to_model(response.model)

    return Plan(lambda stubs: stubs.models.LoadModel, LoadModelRequest(name=resource(name)), parse)


def unload_model(name: str) -> Plan[Model]:
    def parse(response: UnloadModelResponse) -> Model:
        return to_model(response.model)

    return Plan(lambda stubs: stubs.models.UnloadModel, UnloadModelRequest(name=resource(name)), parse)


def classify(image: Picture, model: str, top_k: int) -> Plan[Classification]:
    request = ClassifyRequest(model=resource(model), image=to_image(image), top_k=check_integer("top_k", top_k))
    return Plan(lambda stubs: stubs.attribution.Classify, request, to_classification)


def attribute(
    image: Picture,
    *,
    model: str,
    method: str,
    target: Target,
    top_k: int,
    data_type: str,
    precision: str | None,
    parameters: dict[str, Any],
) -> Plan[Attribution]:
    """`parameters` that are None are left to the server's defaults. Raises InvalidArgument."""
    request = AttributeRequest(
        model=resource(model),
        image=to_image(image),
        target=to_target(target),
        method=to_method(method, parameters),
        data_type=to_data_type(data_type),
        top_k=check_integer("top_k", top_k),
        precision=_precision(precision),
    )

    def parse(response: AttributeResponse) -> Attribution:
        return to_attribution(response, method, model, request.image)

    return Plan(lambda stubs: stubs.attribution.Attribute, request, parse)


def compare(
    image: Picture,
    *,
    model: str,
    variants: Iterable[Variant | str],
    target: Target,
    top_k: int,
    data_type: str,
    precision: str | None,
) -> Plan[Comparison]:
    """`target`: of the variants that name none. Raises InvalidArgument."""
    default = to_target(target)
    chosen = [variant if isinstance(variant, Variant) else Variant(variant) for variant in variants]
    request = CompareRequest(
        model=resource(model),
        image=to_image(image),
        variants=[_to_variant(variant, default, number) for number, variant in enumerate(chosen)],
        data_type=to_data_type(data_type),
        top_k=check_integer("top_k", top_k),
        precision=_precision(precision),
    )

    def parse(response: CompareResponse) -> Comparison:
        return to_comparison(response, [variant.method for variant in chosen], model, request.image)

    return Plan(lambda stubs: stubs.attribution.Compare, request, parse)


def analyze_failure(
    image: Picture,
    *,
    model: str,
    truth: ClassName,
    method: str,
    top_k: int,
    data_type: str,
    precision: str | None,
    parameters: dict[str, Any],
) -> Plan[FailureAnalysis]:
    """Raises InvalidArgument."""
    request = AnalyzeFailureRequest(
        model=resource(model),
        image=to_image(image),
        truth=to_class(truth, field="truth"),
        method=to_method(method, parameters),
        data_type=to_data_type(data_type),
        top_k=check_integer("top_k", top_k),
        precision=_precision(precision),
    )

    def parse(response: AnalyzeFailureResponse) -> FailureAnalysis:
        return to_failure_analysis(response, method, model, request.image)

    return Plan(lambda stubs: stubs.attribution.AnalyzeFailure, request, parse)


def _to_variant(variant: Variant, default: TargetMessage | None, number: int) -> VariantMessage:
    with under(f"variants[{number}]"):
        target = default if variant.target is None else to_target(variant.target)
        return VariantMessage(method=to_method(variant.method, variant.parameters), target=target)


def to_data_type(name: str) -> DataType:
    """Raises InvalidArgument."""
    if name not in DATA_TYPES:
        message = f"unknown data type {name!r}; known: {', '.join(DATA_TYPES)}"
        raise InvalidArgument(message, field="data_type", reason="OUT_OF_RANGE")
    return DATA_TYPES[name]


def _precision(name: str | None) -> Precision:
    if name not in PRECISIONS:
        known = ", ".join(precision for precision in PRECISIONS if precision)
        message = f"unknown precision {name!r}; known: {known}"
        raise InvalidArgument(message, field="precision", reason="OUT_OF_RANGE")
    return PRECISIONS[name]


def resource(model: str) -> str:
    """The model's resource name. Raises InvalidArgument."""
    check_text("model", model, "UNKNOWN_MODEL")
    return model if model.startswith("models/") or not model else f"models/{model}"
