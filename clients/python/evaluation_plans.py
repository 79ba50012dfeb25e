"""The calls that begin to evaluate methods, as plans."""

from collections.abc import Iterable, Mapping
from typing import cast

from convscope.client.arguments import check_choice, check_finite, check_integer, listed
from convscope.client.errors import InvalidArgument
from convscope.client.job_plans import job_of, to_options
from convscope.client.methods import Variant, to_method
from convscope.client.plans import Plan, resource
from convscope.v1.evaluation_service_pb2 import EvaluateAttentionRequest, EvaluateMethodsRequest, Metric
from convscope.v1.method_pb2 import Method

METRICS: Mapping[str, Metric] = {
    name.removeprefix("METRIC_").lower(): cast(Metric, value) for name, value in Metric.items() if value
}
"""What can be measured."""
Methods = str | Variant | Iterable[str | Variant]
"""The name of a method, a Variant without a target, or several."""


def evaluate_methods(
    collection: str,
    *,
    model: str,
    methods: Methods,
    metrics: str | Iterable[str],
    limit: int | None,
    seed: int | None,
    tolerance: float | None,
    curve_steps: int | None,
    samples: int | None,
    noise: float | None,
    radius: float | None,
    stages: int | None,
    priority: int | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    names = [metrics] if isinstance(metrics, str) else listed("metrics", metrics, "the name of a metric or several")
    request = EvaluateMethodsRequest(
        collection=collection,
        model=resource(model),
        methods=_to_methods(methods),
        metrics=[check_choice(f"metrics[{place}]", name, METRICS) for place, name in enumerate(names)],
        limit=None if limit is None else check_integer("limit", limit),
        seed=None if seed is None else check_integer("seed", seed, bits=64),
        tolerance=None if tolerance is None else check_finite("tolerance", tolerance),
        curve_steps=None if curve_steps is None else check_integer("curve_steps", curve_steps),
        samples=None if samples is None else check_integer("samples", samples),
        noise=None if noise is None else check_finite("noise", noise),
        radius=None if radius is None else check_finite("radius", radius),
        stages=None if stages is None else check_integer("stages", stages),
        options=to_options(priority, request_id),
    )
    return Plan(lambda stubs: stubs.evaluation.EvaluateMethods, request, job_of)


def evaluate_attention(
    collection: str,
    *,
    model: str,
    methods: Methods,
    limit: int | None,
    seed: int | None,
    priority: int | None,
    request_id: str | None,
) -> Plan[str]:
    """As evaluate_methods()."""
    request = EvaluateAttentionRequest(
        collection=collection,
        model=resource(model),
        methods=_to_methods(methods),
        limit=None if limit is None else check_integer("limit", limit),
        seed=None if seed is None else check_integer("seed", seed, bits=64),
        options=to_options(priority, request_id),
    )
    return Plan(lambda stubs: stubs.evaluation.EvaluateAttention, request, job_of)


def _to_methods(methods: Methods) -> list[Method]:
    wanted = "the name of a method, a Variant or several"
    chosen = [methods] if isinstance(methods, str | Variant) else listed("methods", methods, wanted)
    if not chosen:
        raise InvalidArgument(f"methods must be {wanted}", field="methods", reason="OUT_OF_RANGE")
    return [_to_method(one, f"methods[{place}]") for place, one in enumerate(chosen)]


def _to_method(chosen: str | Variant, field: str) -> Method:
    variant = chosen if isinstance(chosen, Variant) else Variant(chosen)
    if variant.target is not None:
        message = f"{variant!r} has a target; what is explained say the annotations of the collection"
        raise InvalidArgument(message, field=f"{field}.target", reason="OUT_OF_RANGE")
    try:
        return to_method(variant.method, variant.parameters)
    except InvalidArgument as error:
        # Else it names a parameter.
        error.field = field if error.field == "method" else f"{field}.{error.field}"
        raise
