"""A metric has one name: in the table, in the contract and in the SDK; and so have an evaluation's parameters."""

from convscope.client.cli.evaluation_table import LOW, NEAR_ZERO
from convscope.client.evaluation_plans import METRICS as ASKED_FOR
from convscope.engine.evaluation.metrics import CURVES, METRICS
from convscope.engine.evaluation.parameters import EvaluationParameters
from convscope.v1.evaluation_service_pb2 import EvaluateMethodsRequest, Metric


def test_the_table_has_the_metrics_of_the_contract() -> None:
    named = [name.removeprefix("METRIC_").lower() for name in Metric.keys()]  # noqa: SIM118  # the numbers are what it iterates over
    assert named == ["unspecified", *METRICS]
    assert set(CURVES) <= set(METRICS)


def test_every_parameter_can_be_set_by_a_request() -> None:
    assert set(EvaluationParameters.model_fields) <= set(EvaluateMethodsRequest.DESCRIPTOR.fields_by_name)


def test_what_a_metric_says_of_itself_is_what_the_report_shows() -> None:
    for name, metric in METRICS.items():
        assert metric.title
        assert metric.note.endswith("."), name
        assert metric.better in ("high", "low", "zero")


def test_the_command_line_knows_which_values_are_good() -> None:
    assert set(ASKED_FOR) == set(METRICS)
    assert set(LOW) == {name for name, metric in METRICS.items() if metric.better == "low"}
    assert set(NEAR_ZERO) == {name for name, metric in METRICS.items() if metric.better == "zero"}
