"""An evaluation as a table on a terminal."""

import math
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from convscope.client.evaluation import RANDOM, AttentionEvaluation, Estimate, Evaluation
from convscope.client.evaluation_plans import METRICS

# A pipe has no width, and numbers that are cut off are of no use.
WIDEST = 1000
LOW, NEAR_ZERO = ("deletion", "infidelity", "max_sensitivity"), ("randomization",)
"""Metrics that are good where they are low, or near 0; all others where they are high."""
LEGEND = "* the best of its column; in brackets: examples that have a value"


def print_evaluation(found: Evaluation) -> None:
    """Methods by metrics, each a mean with its standard error, the best of each column marked; of attention one
    column a number, as papers have it."""
    console = Console(width=None if sys.stdout.isatty() else WIDEST)
    if isinstance(found, AttentionEvaluation):
        console.print(_attention(found))
        return
    for table in _tables(found, console):
        console.print(table)
    print(LEGEND)


def _tables(found: Evaluation, console: Console) -> Iterator[Table]:
    """One, or on a narrow terminal several, each with as many metrics as have room."""
    rest = found.metrics
    while rest:
        count = len(rest)
        while count > 1 and _width(_table(found, rest[:count]), console) > console.width:
            count -= 1
        yield _table(found, rest[:count])
        rest = rest[count:]


def _width(table: Table, console: Console) -> int:
    # On a console without an end: what is too wide would be measured as what there is.
    return Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum


def _table(found: Evaluation, metrics: Sequence[str]) -> Table:
    titles = [f"{metric}\n{_wish(metric)}" for metric in metrics]
    table = Table("method\n", *(Column(title, no_wrap=True) for title in titles), box=None, pad_edge=False)
    best = {metric: _best(found, metric) for metric in metrics}
    for one in found.methods:
        cells = [_cell(one.estimates.get(metric), best[metric]) for metric in metrics]
        # As text: a parameter may have brackets in it.
        table.add_row(Text(one.method), *cells)
    return table


def _attention(found: AttentionEvaluation) -> Table:
    numbers = [Column(title, no_wrap=True, justify="right") for title in ("Rank correlation", "Standard error", "n")]
    table = Table("Method", *numbers, box=None, pad_edge=False)
    for one in found.methods:
        title = f"{one.method} (base line)" if one.method == RANDOM else one.method
        for value in one.estimates.values():
            mean = f"{value.mean:.3f}" if value.count else ""
            error = "" if value.standard_error is None else f"{value.standard_error:.3f}"
            table.add_row(Text(title), mean, error, str(value.count))
    return table


def _cell(value: Estimate | None, best: float | None) -> Text:
    if value is None:
        return Text("")
    if value.count and value.mean == best:
        return Text(f"{value} *", style="bold")
    return Text(str(value))


def _best(found: Evaluation, metric: str) -> float | None:
    """Of all means, the random map's too; None where there is none, and of a metric that only newer servers know."""
    values = [one.estimates[metric] for one in found.methods if metric in one.estimates]
    means = [value.mean for value in values if value.count and math.isfinite(value.mean)]
    if not means or metric not in METRICS:
        return None
    if metric in NEAR_ZERO:
        return min(means, key=abs)
    return min(means) if metric in LOW else max(means)


def _wish(metric: str) -> str:
    if metric not in METRICS:
        return ""
    if metric in NEAR_ZERO:
        return "near 0 is good"
    return "low is good" if metric in LOW else "high is good"
