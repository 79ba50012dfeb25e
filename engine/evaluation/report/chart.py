"""A report of attention as one picture."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from convscope.engine.evaluation.report.bar_chart import bars_below, bars_said, estimated_bars
from convscope.engine.evaluation.report.best import BETTER
from convscope.engine.evaluation.report.svg import LETTER, LINE, MARGIN, WIDTH, standalone, text

TITLES = {
    "people": "Rank correlation with where people looked",
    "truth": "Rank correlation with the truth",
}
"""By what the maps were compared with."""


def attention_chart(report: Mapping[str, Any]) -> str:
    """An SVG file of its table: each method's mean with its standard error, and the random map's as a dashed line."""
    metric = report["metrics"][0]
    bars, base = estimated_bars(report, metric["name"])
    title = TITLES[report["source"]]
    about = f"{report['model']}, {report['example_count']} examples of {report['collection']}; mean ± standard error."
    if report["source"] == "truth":
        about += " The truth is the pixels on which the right answer depends; no person was asked."
    lines = wrap(about, int((WIDTH - 2 * MARGIN) / LETTER))
    heading = [text(title, MARGIN, 24, class_="heading")]
    heading += [text(words, MARGIN, 44 + LINE * number, class_="faint") for number, words in enumerate(lines)]
    parts, bottom = bars_below(36 + LINE * len(lines), bars, note=BETTER[metric["better"]], base=base)
    return standalone([*heading, *parts], WIDTH, bottom + MARGIN, said=bars_said(title, bars, base))
