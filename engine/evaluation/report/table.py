"""The table of a report, as HTML."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from convscope.engine.evaluation.metrics import RANDOM
from convscope.engine.evaluation.report.best import BETTER, Best, best_of
from convscope.engine.evaluation.report.numerals import DASH, estimate


def report_table(report: Mapping[str, Any]) -> str:
    """A row for each method, a column for each metric, with what must be known to read it below."""
    columns = [(metric["name"], best_of(report, metric)) for metric in report["metrics"]]
    head = "".join(
        f'<th scope="col">{escape(metric["title"])}<small>{BETTER[metric["better"]]}</small></th>'
        for metric in report["metrics"]
    )
    rows = "".join(_row(one, columns) for one in report["methods"])
    caption = '<caption class="unseen">What was measured of each method</caption>'
    table = f'<table>{caption}<thead><tr><th scope="col">Method</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    # What can be scrolled must be within reach of the keyboard.
    scrolled = f'<div class="scroll" tabindex="0" role="region" aria-label="Table of results">{table}</div>'
    return scrolled + "".join(f'<p class="note">{note}</p>' for note in _notes(report))


def breakable(label: str) -> str:
    """A method's label as HTML that may go on in the next line where a part of it ends."""
    return "<wbr>".join(map(escape, re.split(r"(?<=[_(,.=])", label)))


def _row(one: Mapping[str, Any], columns: list[tuple[str, Best]]) -> str:
    label = one["method"]
    cells = "".join(_cell(one["estimates"].get(name), label, best) for name, best in columns)
    kind = ' class="random"' if label == RANDOM else ""
    return f'<tr{kind}><th scope="row">{breakable(label)}</th>{cells}</tr>'


def _cell(found: Mapping[str, Any] | None, label: str, best: Best) -> str:
    if not found:
        return f'<td class="none"><span aria-hidden="true">{DASH}</span><span class="unseen">no value</span></td>'
    mean = estimate(found["mean"], found["standard_error"])
    count = f"n = {found['count']}"
    if label not in best.labels:
        return f"<td>{mean}<small>{count}</small></td>"
    mark = "best" if best.above_random else "best, but not better than random"
    return f'<td class="best"><strong>{mean}</strong><small>{count}</small><em>{mark}</em></td>'


def _notes(report: Mapping[str, Any]) -> list[str]:
    estimates = [found for one in report["methods"] for found in one["estimates"].values()]
    notes = [
        "Mean ± its standard error; n is the number of examples that have a value. What lies within two standard errors"
        " may be chance.",
    ]
    if any(found["standard_error"] is None for found in estimates):
        notes.append("Of a single example there is no standard error, so that nothing can be said of chance.")
    if any(found["count"] < report["example_count"] for found in estimates):
        notes.append(
            "Not every example has every value: a map without any evidence has no energy, a flat one no ranks, and some"
            " metrics need to know where the thing is."
        )
    if any(metric["name"] not in one["estimates"] for one in report["methods"] for metric in report["metrics"]):
        notes.append(f"A dash ({DASH}): the metric means nothing for the method, or no example has a value.")
    return notes
