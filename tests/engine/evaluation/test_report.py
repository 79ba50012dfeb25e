"""The table of a report, by hand."""

import math
from typing import Any

import pytest

from convscope.engine.evaluation.metrics import RANDOM
from convscope.engine.evaluation.report.report import estimate, make_report

VALUES: list[dict[str, dict[str, float | None]]] = [
    {"grad_cam": {"energy_inside": 0.5, "deletion": 0.2}, RANDOM: {"energy_inside": 0.1, "deletion": 0.5}},
    {"grad_cam": {"energy_inside": 0.9, "deletion": 0.4}, RANDOM: {"energy_inside": 0.2, "deletion": 0.5}},
    {"grad_cam": {"energy_inside": None, "deletion": 0.3}, RANDOM: {"deletion": 0.5}},
    {"grad_cam": {"energy_inside": 0.1, "deletion": 0.1}, RANDOM: {"energy_inside": 0.3, "deletion": 0.5}},
]


def reported(values: list[dict[str, dict[str, float | None]]], metrics: list[str], **fields: Any) -> dict[str, Any]:
    examples = [
        {
            "id": f"q{place}", "image_number": place, "file_name": f"{place}.png", "target": "a circle",
            "values": one, "curves": {"grad_cam": {"deletion": [1.0, 0.5 * place, None if place else 0.0]}},
        }
        for place, one in enumerate(values)
    ]  # fmt: skip
    return make_report(
        "evaluate_methods",
        model="m",
        collection="c",
        labels=["grad_cam", RANDOM],
        metrics=metrics,
        examples=examples,
        **fields,
    )


def test_the_table_has_means_and_standard_errors_of_what_is_there() -> None:
    table = {row["method"]: row["estimates"] for row in reported(VALUES, ["energy_inside", "deletion"])["methods"]}
    mean = (0.5 + 0.9 + 0.1) / 3
    spread = math.sqrt(((0.5 - mean) ** 2 + (0.9 - mean) ** 2 + (0.1 - mean) ** 2) / 2)
    found = table["grad_cam"]["energy_inside"]
    assert found == {
        "mean": pytest.approx(mean), "standard_error": pytest.approx(spread / math.sqrt(3)), "count": 3
    }  # fmt: skip
    assert table[RANDOM]["deletion"] == {"mean": 0.5, "standard_error": 0.0, "count": 4}


def test_of_one_value_there_is_no_standard_error_and_of_none_no_mean() -> None:
    assert estimate([None, 2.0]) == {"mean": 2.0, "standard_error": None, "count": 1}
    assert estimate([None]) is None
    assert "energy_inside" not in reported(VALUES[2:3], ["energy_inside"])["methods"][1]["estimates"]


def test_best_and_worst_are_by_the_first_metric_that_a_method_has() -> None:
    report = reported(VALUES, ["energy_inside", "deletion"])
    assert report["shown"] == {"grad_cam": {"by": "energy_inside", "best": [1], "worst": [3]}}
    by_deletion = reported(VALUES, ["deletion"])
    assert by_deletion["shown"]["grad_cam"] == {"by": "deletion", "best": [3, 0], "worst": [1, 2]}, "low is good"
    assert reported(VALUES, ["pointing_game"])["shown"]["grad_cam"] == {"by": "", "best": [], "worst": []}


def test_a_curve_is_the_mean_over_those_that_have_one() -> None:
    report = reported(VALUES, ["energy_inside", "deletion"])
    assert set(report["curves"]) == {"deletion"}
    assert report["curves"]["deletion"] == {"x": [0, 0.5, 1], "methods": {"grad_cam": [1.0, 0.75, 0.0]}}


def test_examples_are_told_with_their_values_but_not_their_curves() -> None:
    report = reported(VALUES, ["deletion"])
    assert report["example_count"] == 4
    assert report["examples"][1] == {
        "id": "q1", "image_number": 1, "file_name": "1.png", "target": "a circle", "values": VALUES[1],
    }  # fmt: skip
    assert [metric["name"] for metric in report["metrics"]] == ["deletion"]
