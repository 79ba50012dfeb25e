"""Numbers as they stand in a report."""

import pytest

from convscope.engine.evaluation.report.numerals import estimate, numeral


@pytest.mark.parametrize(
    ("mean", "error", "words"),
    [
        (0.42345, 0.0312, "0.423 ± 0.031"),
        (-0.42345, 0.2, "\u22120.42 ± 0.20"),
        (0.9999, 0.0312, "1.000 ± 0.031"),
        (1234.5, 56.7, "1234 ± 57"),
        (0.5, 0.0, "0.500 ± 0.000"),
        (0.0, 0.0, "0.000 ± 0.000"),
        (0.5, None, "0.500"),
        (12.345, None, "12.3"),
        (1234.5, None, "1234"),
        (0.0, None, "0.000"),
        (-0.00001, 0.002, "0.0000 ± 0.0020"),
        (3.21e-7, 4.5e-8, "(3.21 ± 0.45) \u00d7 10\u207b\u2077"),
        (-3.21e-7, None, "\u22123.21 \u00d7 10\u207b\u2077"),
        (2e-9, 4e-7, "(0.0 ± 4.0) \u00d7 10\u207b\u2077"),
        (1.5e12, 2e11, "(1.50 ± 0.20) \u00d7 10\u00b9\u00b2"),
        (float("nan"), 1.0, "\u2013"),
        (float("inf"), None, "\u2013"),
    ],
)
def test_a_mean_is_as_exact_as_its_error(mean: float, error: float | None, words: str) -> None:
    assert estimate(mean, error) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "\u2013"), (float("nan"), "\u2013"), (1.0, "1.00"), (0.25, "0.250"), (-7, "\u22127.00")]
)
def test_a_value_alone_has_three_figures(value: float | None, words: str) -> None:
    assert numeral(value) == words
