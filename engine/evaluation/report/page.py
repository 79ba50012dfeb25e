"""A report as a page to read: one HTML file that asks nobody for anything, and runs nothing."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from convscope.engine.evaluation.metrics import METRICS
from convscope.engine.evaluation.report.bar_chart import bar_chart, estimated_bars
from convscope.engine.evaluation.report.best import BETTER, best_of
from convscope.engine.evaluation.report.line_chart import line_chart
from convscope.engine.evaluation.report.pictures import Picture, report_pictures
from convscope.engine.evaluation.report.svg import rules
from convscope.engine.evaluation.report.table import report_table

QUESTIONS = {
    None: "How good are explanations of {model}?",
    "people": "Do explanations of {model} look where people looked?",
    "truth": "Do explanations of {model} look at what the answer depends on?",
}
"""The title, by what attention was compared with."""
SOURCES = {
    "people": "Each map was compared with those of all who looked at the picture; a value is the mean over them.",
    "truth": "No person looked at these pictures: there are no attention maps in the collection, and its masks, the"
    " pixels on which the right answer depends, stand in for them. How people would look is another matter.",
}
CURVES = {
    "insertion": ("part of the pixels that have come in", "probability", "A good map brings the answer back early."),
    "deletion": ("part of the pixels that are gone", "probability", "A good map takes the answer away early."),
    "randomization": (
        "the last layer that was drawn anew",
        "rank correlation",
        "From the output on, layer by layer; what falls to 0 depends on what was learned.",
    ),
}
"""By metric: the names of both axes, and how to read it."""


def report_page(report: Mapping[str, Any], picture: Picture) -> str:
    """report: as make_report() gives it. picture: of an example's number, with a method's map over it."""
    count = len(report["methods"]) - 1
    examples = f"{report['example_count']} {'example' if report['example_count'] == 1 else 'examples'}"
    about = (
        f"{examples} of the collection <b>{escape(report['collection'])}</b>, {count}"
        f" {'method' if count == 1 else 'methods'}, and beside {'it' if count == 1 else 'them'} a map drawn at random."
    )
    question = QUESTIONS[report["source"]]
    template = files("convscope.engine.evaluation.report").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(question.format(model=report["model"])),
        rules=rules(),
        heading=question.format(model=f"<code>{escape(report['model'])}</code>"),
        about=about,
        source=f'<p class="source">{SOURCES[report["source"]]}</p>' if report["source"] else "",
        table=report_table(report),
        charts="".join(_bars(report, metric) for metric in report["metrics"]),
        curves=_section("curves", "Curves", "".join(_lines(report, name) for name in report["curves"]), "charts"),
        pictures=_section("pictures", "Where they are best, and where worst", report_pictures(report, picture)),
        meanings="".join(_meaning(metric, report["source"]) for metric in report["metrics"]),
    )


def _meaning(metric: Mapping[str, Any], source: str | None) -> str:
    note = escape(metric["note"])
    if source == "truth":
        note += " Here the masks take the place of people."
    return f"<dt>{escape(metric['title'])} <small>{BETTER[metric['better']]}</small></dt><dd>{note}</dd>"


def _section(name: str, title: str, content: str, look: str = "") -> str:
    """Nothing where there is nothing in it."""
    if not content:
        return ""
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2><div class="{look}">{content}</div></section>'
    )


def _bars(report: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    bars, base = estimated_bars(report, metric["name"], best_of(report, metric).labels)
    if not bars:
        return ""
    title, better = metric["title"], BETTER[metric["better"]]
    return _figure(title, "", bar_chart(bars, title=title, note=better, base=base))


def _lines(report: Mapping[str, Any], name: str) -> str:
    curves, (x_label, y_label, how) = report["curves"][name], CURVES[name]
    if not curves["methods"]:
        return ""
    title = METRICS[name].title
    drawn = line_chart(curves["x"], curves["methods"], title=title, x_label=x_label, y_label=y_label)
    return _figure(title, how, drawn)


def _figure(title: str, how: str, drawn: str) -> str:
    """how: to read it."""
    return f"<figure><figcaption><b>{escape(title)}</b> {escape(how)}</figcaption>{drawn}</figure>"
