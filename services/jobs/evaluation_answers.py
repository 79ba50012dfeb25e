"""What an evaluation has found, to messages of the contract."""

from collections.abc import Mapping
from typing import Any

from convscope.v1 import evaluation_service_pb2 as messages

REPORT, REPORT_PAGE, CHART = "report.json", "report.html", "chart.svg"
SOURCES: Mapping[str, messages.AttentionSource] = {
    "people": messages.ATTENTION_SOURCE_PEOPLE,
    "truth": messages.ATTENTION_SOURCE_TRUTH,
}


def to_method_evaluation(row: Mapping[str, Any]) -> messages.MethodEvaluation:
    """A row of a report's table."""
    return messages.MethodEvaluation(
        method=row["method"],
        estimates=[
            messages.Estimate(metric=f"METRIC_{name.upper()}", **estimate)
            for name, estimate in row["estimates"].items()
        ],
    )
