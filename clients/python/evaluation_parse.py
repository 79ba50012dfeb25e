"""Messages about evaluations to what jobs return."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped,unused-ignore]

from convscope.client.collection_parse import Ending, response_of
from convscope.client.evaluation import CHART, PAGE, REPORT, AttentionEvaluation, Estimate, Evaluation, MethodEvaluation
from convscope.client.job_info import JobInfo
from convscope.client.job_parse import short_name
from convscope.v1 import evaluation_service_pb2 as messages
from convscope.v1.evaluation_service_pb2 import AttentionSource, Metric

R = TypeVar("R")


def to_evaluation(operation: Operation) -> Ending[Evaluation]:
    info, response = response_of(operation, messages.EvaluateMethodsResponse())
    methods = _to_methods(response.methods)

    def made(files: Mapping[str, bytes]) -> Evaluation:
        return Evaluation(info, response.collection, response.example_count, methods, files)

    return _ending(info, {REPORT: response.report, PAGE: response.page}, made)


def to_attention_evaluation(operation: Operation) -> Ending[AttentionEvaluation]:
    info, response = response_of(operation, messages.EvaluateAttentionResponse())
    methods = _to_methods(response.methods)
    source = _word(AttentionSource, response.source, "ATTENTION_SOURCE_")

    def made(files: Mapping[str, bytes]) -> AttentionEvaluation:
        return AttentionEvaluation(info, response.collection, response.example_count, methods, files, source)

    return _ending(info, {REPORT: response.report, PAGE: response.page, CHART: response.chart}, made)


def _ending(info: JobInfo, names: Mapping[str, str], made: Callable[[Mapping[str, bytes]], R]) -> Ending[R]:
    """names: the resource names of the files, by what they are called here."""
    files = {name: info.artifact(short_name(resource)) for name, resource in names.items()}
    return Ending(
        tuple(files.values()), lambda contents: made({name: contents[file.name] for name, file in files.items()})
    )


def _to_methods(found: Sequence[messages.MethodEvaluation]) -> tuple[MethodEvaluation, ...]:
    return tuple(
        MethodEvaluation(
            one.method, {_word(Metric, value.metric, "METRIC_"): _to_estimate(value) for value in one.estimates}
        )
        for one in found
    )


def _to_estimate(message: messages.Estimate) -> Estimate:
    error = message.standard_error if message.HasField("standard_error") else None
    return Estimate(message.mean, error, message.count)


def _word(kinds: Any, number: int, prefix: str) -> str:
    """As users read it: METRIC_DELETION is deletion; what only newer servers know is its number."""
    name: str = kinds.Name(number) if number in kinds.values() else str(number)
    return name.removeprefix(prefix).lower()
