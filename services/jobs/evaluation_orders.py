"""What an evaluation asks for, checked before anything is queued."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToJson

from convscope.engine.errors import InvalidInput
from convscope.engine.evaluation.metrics import METRICS
from convscope.engine.evaluation.parameters import EvaluationParameters
from convscope.services.common.collections.collection import Collection
from convscope.services.common.errors import TruthMissing
from convscope.services.common.jobs.kinds import EVALUATE_ATTENTION, EVALUATE_METHODS
from convscope.services.common.resource_names import COLLECTIONS
from convscope.services.jobs.orders import Order, given, make_order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.evaluation_service_pb2 import EvaluateAttentionRequest, EvaluateMethodsRequest, Metric
from convscope.v1.method_pb2 import Method
from convscope.v1.model_service_pb2 import ModelCard, ModelTask

MOST_METHODS = 16
MISSING = {"mask": "MASKS_MISSING", "attention": "ATTENTION_MISSING"}


def check_evaluate_methods(
    request: EvaluateMethodsRequest, collection: Collection, card: ModelCard | None, limits: JobsSettings
) -> Order:
    """card: None where nobody has loaded the model. Raises InvalidInput and its kin, TruthMissing, each naming the
    field."""
    parameters = {"seed": request.seed, "tolerance": request.tolerance}
    parameters |= given(request, ("curve_steps", "samples", "noise", "radius", "stages"))
    count = collection.annotation_count or collection.image_count
    spec = {
        "collection": collection.id,
        "annotated": bool(collection.annotation_count),
        "numbers": list(range(_check_limit(request.limit, count, collection))),
        "part": limits.evaluation_part,
        "methods": _check_methods(request.methods),
        "metrics": _check_metrics(request.metrics, collection),
        "source": "people" if collection.attended_count else None,
        "parameters": EvaluationParameters.parse(parameters).model_dump(),
    }
    _check_questions(card, collection)
    return make_order(EVALUATE_METHODS, request.model, request.options, spec)


def check_evaluate_attention(
    request: EvaluateAttentionRequest,
    collection: Collection,
    looked_at: Sequence[int],
    card: ModelCard | None,
    limits: JobsSettings,
) -> Order:
    """looked_at: numbers of the annotations with attention maps, or where there are none of those with masks. Raises as
    check_evaluate_methods()."""
    if not looked_at:
        message = f"{COLLECTIONS}{collection.id} has neither attention maps nor masks"
        raise TruthMissing(message, reason="ATTENTION_MISSING", field="collection")
    spec = {
        "collection": collection.id,
        "annotated": True,
        "numbers": list(looked_at[: _check_limit(request.limit, len(looked_at), collection)]),
        "part": limits.evaluation_part,
        "methods": _check_methods(request.methods),
        "metrics": ["attention_correlation"],
        "source": "people" if collection.attended_count else "truth",
        "parameters": EvaluationParameters.parse({"seed": request.seed}).model_dump(),
    }
    _check_questions(card, collection)
    return make_order(EVALUATE_ATTENTION, request.model, request.options, spec)


def _check_limit(limit: int, count: int, collection: Collection) -> int:
    """How many examples there are to be."""
    if limit < 0 or limit == 1:
        message = f"limit must be 0, for all, or from 2, of which a standard error can be told; not {limit}"
        raise InvalidInput(message, field="limit", reason="OUT_OF_RANGE")
    if count < 2:
        message = f"{COLLECTIONS}{collection.id} has {count} examples; a standard error needs 2"
        raise TruthMissing(message, reason="EXAMPLES_TOO_FEW", field="collection")
    return min(limit or count, count)


def _check_methods(methods: Sequence[Method]) -> list[Any]:
    """As JSON; their parameters a worker checks."""
    if not 1 <= len(methods) <= MOST_METHODS:
        message = f"methods must be 1 to {MOST_METHODS}, not {len(methods)}"
        raise InvalidInput(message, field="methods", reason="OUT_OF_RANGE")
    written: list[str] = []
    for place, method in enumerate(methods):
        field, name = f"methods[{place}]", method.WhichOneof("kind")
        if name is None:
            raise InvalidInput("a method is required that this server knows", field=field, reason="UNKNOWN_METHOD")
        if name == "segment":
            message = "segment cuts a thing out; it is no map that can be measured"
            raise InvalidInput(message, field=field, reason="UNKNOWN_METHOD")
        one = MessageToJson(method, indent=None, preserving_proto_field_name=True, sort_keys=True)
        if one in written:
            message = f"{name} stands there twice, with the same parameters"
            raise InvalidInput(message, field=field, reason="INVALID_PARAMETER")
        written.append(one)
    return written


def _check_metrics(metrics: Sequence[Metric], collection: Collection) -> list[str]:
    """Names; all that can be measured where none is asked for."""
    has = {"": True, "mask": bool(collection.mask_count), "attention": bool(collection.attended_count)}
    if not metrics:
        return [name for name, metric in METRICS.items() if has[metric.needs]]
    names: list[str] = []
    for place, number in enumerate(metrics):
        field = f"metrics[{place}]"
        name = Metric.Name(number).removeprefix("METRIC_").lower() if number in Metric.values() else ""
        if name not in METRICS:
            raise InvalidInput(f"unknown metric; known: {', '.join(METRICS)}", field=field, reason="UNKNOWN_METRIC")
        if name in names:
            raise InvalidInput(f"{name} stands there twice", field=field, reason="INVALID_PARAMETER")
        needs = METRICS[name].needs
        if not has[needs]:
            what = "masks" if needs == "mask" else "attention maps"
            message = f"{name} needs {what}, and {COLLECTIONS}{collection.id} has none"
            raise TruthMissing(message, reason=MISSING[needs], field=field)
        names.append(name)
    return names


def _check_questions(card: ModelCard | None, collection: Collection) -> None:
    """Of a model that is not known yet a worker says so."""
    if card is not None and card.task == ModelTask.MODEL_TASK_VQA and not collection.annotation_count:
        message = f"the model answers questions, and {COLLECTIONS}{collection.id} has none: it has no annotations"
        raise TruthMissing(message, reason="QUESTIONS_MISSING", field="collection")
