"""The part of a server of collections that evaluates methods: numbers that a test foresees."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from convscope.v1 import evaluation_service_pb2 as messages
from convscope.v1 import evaluation_service_pb2_grpc
from convscope.v1.method_pb2 import Method

REPORT_HTML = "<!doctype html><title>a report, with an é</title>"
CHART_SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>±</title></svg>'
DEFAULT_METRICS = (messages.METRIC_POINTING_GAME, messages.METRIC_DELETION, messages.METRIC_RANDOMIZATION)
ERROR = 0.0125


class EvaluationStandIn(evaluation_service_pb2_grpc.EvaluationServiceServicer):
    """Begins jobs of whoever derives from it."""

    @abstractmethod
    def _begin(self, kind: str, request: Any, context: grpc.ServicerContext) -> Any:
        """The operation of a new job."""

    def EvaluateMethods(self, request: messages.EvaluateMethodsRequest, context: grpc.ServicerContext) -> Any:
        return self._begin("evaluate_methods", request, context)

    def EvaluateAttention(self, request: messages.EvaluateAttentionRequest, context: grpc.ServicerContext) -> Any:
        return self._begin("evaluate_attention", request, context)


def methods_response(job: str, request: messages.EvaluateMethodsRequest, count: int) -> Message:
    """Over so many examples."""
    return messages.EvaluateMethodsResponse(
        collection=request.collection,
        example_count=count,
        methods=_table(request.methods, request.metrics or DEFAULT_METRICS, count),
        report=f"{job}/artifacts/report.json",
        page=f"{job}/artifacts/report.html",
    )


def attention_response(
    job: str, request: messages.EvaluateAttentionRequest, count: int, source: messages.AttentionSource
) -> Message:
    """Over so many examples."""
    return messages.EvaluateAttentionResponse(
        collection=request.collection,
        example_count=count,
        source=source,
        methods=_table(request.methods, [messages.METRIC_ATTENTION_CORRELATION], count),
        report=f"{job}/artifacts/report.json",
        page=f"{job}/artifacts/report.html",
        chart=f"{job}/artifacts/chart.svg",
    )


def report_files(*, chart: bool) -> dict[str, bytes]:
    """That an evaluation leaves."""
    files = {"report.json": json.dumps({"examples": [{"id": "q0"}]}).encode(), "report.html": REPORT_HTML.encode()}
    return files | ({"chart.svg": CHART_SVG.encode()} if chart else {})


def _table(
    methods: Sequence[Method], metrics: Sequence[messages.Metric], count: int
) -> list[messages.MethodEvaluation]:
    """0.3, 0.2, 0.1 ... for the methods, -0.05 for random, which has no randomization and one example less."""
    rows = [
        messages.MethodEvaluation(
            method=_in_words(method),
            estimates=[
                messages.Estimate(metric=metric, mean=0.3 - 0.1 * place, standard_error=ERROR, count=count)
                for metric in metrics
            ],
        )
        for place, method in enumerate(methods)
    ]
    random = [
        messages.Estimate(metric=metric, mean=-0.05, standard_error=ERROR, count=count - 1)
        for metric in metrics
        if metric != messages.METRIC_RANDOMIZATION
    ]
    return [*rows, messages.MethodEvaluation(method="random", estimates=random)]


def _in_words(method: Method) -> str:
    """grad_cam(layer=layer3)."""
    kind = method.WhichOneof("kind") or ""
    chosen = ", ".join(f"{field.name}={value}" for field, value in getattr(method, kind).ListFields())
    return f"{kind}({chosen})" if chosen else kind
