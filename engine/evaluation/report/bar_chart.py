"""Means with their standard errors, as bars."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.engine.evaluation.metrics import RANDOM
from convscope.engine.evaluation.report.axis import Axis
from convscope.engine.evaluation.report.numerals import estimate
from convscope.engine.evaluation.report.svg import (
    LETTER,
    LINE,
    MARGIN,
    WIDTH,
    drawing,
    element,
    fitted,
    line,
    text,
    ticks_below,
)

ROW, BAR = 36.0, 10.0
"""Height of a bar with its label above it, and of the bar, pixels."""


@dataclass(frozen=True)
class Bar:
    """One mean."""

    label: str
    mean: float
    error: float | None
    """Its standard error; None: there is none."""
    best: bool = False

    @property
    def words(self) -> str:
        return estimate(self.mean, self.error)

    @property
    def ends(self) -> tuple[float, float]:
        """A standard error below the mean, and one above."""
        return self.mean - (self.error or 0.0), self.mean + (self.error or 0.0)


def bar_chart(bars: Sequence[Bar], *, title: str, note: str, base: Bar | None = None) -> str:
    """SVG for a page with chart.css: the bars from the top down in their order.

    note: words below the axis. base: what all are compared with, a dashed line with its error around it.
    """
    parts, bottom = bars_below(0.0, bars, note=note, base=base)
    return drawing(parts, WIDTH, bottom, said=bars_said(title, bars, base))


def bars_below(top: float, bars: Sequence[Bar], *, note: str, base: Bar | None) -> tuple[list[str], float]:
    """What bar_chart() draws, from `top` on, and where it ends."""
    ends = [end for bar in (*bars, *([base] if base else [])) for end in bar.ends]
    across = Axis.over(ends, MARGIN + 6, WIDTH - MARGIN - 6)
    bottom = top + ROW * len(bars) + 8
    parts = []
    for tick in across.ticks:
        x = across.place(tick)
        parts.append(line(x, top + 4, x, bottom, class_="zero" if tick == 0 else "grid"))
    if base:
        (low, high), x = (across.place(end) for end in base.ends), across.place(base.mean)
        parts.append(element("rect", class_="band", x=low, y=top + 4, width=high - low, height=bottom - top - 4))
        parts.append(line(x, top + 4, x, bottom, class_="base"))
    for number, bar in enumerate(bars):
        parts += _bar(bar, across, top + ROW * number)
    parts += ticks_below(across, bottom + LINE - 3)
    bottom += 2 * LINE
    parts.append(text(note, MARGIN + 6, bottom, class_="faint"))
    if base:
        words = f"{base.label} {base.words}"
        left = WIDTH - MARGIN - 16 - LETTER * len(words)
        parts.append(line(left - 24, bottom - 4, left, bottom - 4, class_="base"))
        parts.append(text(words, WIDTH - MARGIN - 6, bottom, class_="base", text_anchor="end"))
    return parts, bottom + 6


def bars_said(title: str, bars: Sequence[Bar], base: Bar | None) -> str:
    """The chart in words."""
    every = (*bars, *([base] if base else []))
    return f"{title}: " + "; ".join(f"{bar.label} {bar.words}" for bar in every)


def estimated_bars(report: Mapping[str, Any], metric: str, best: Container[str] = ()) -> tuple[list[Bar], Bar | None]:
    """Of a report, a bar for each method that has an estimate by a metric, and that of the random map. best: labels."""
    found = [
        Bar(one["method"], estimated["mean"], estimated["standard_error"], one["method"] in best)
        for one in report["methods"]
        if (estimated := one["estimates"].get(metric))
    ]
    return [bar for bar in found if bar.label != RANDOM], next((bar for bar in found if bar.label == RANDOM), None)


def _bar(bar: Bar, across: Axis, top: float) -> list[str]:
    zero, mean, below = across.place(0), across.place(bar.mean), top + ROW
    words = f"{bar.words}, best" if bar.best else bar.words
    weight = "strong" if bar.best else "plain"
    room = WIDTH - 2 * MARGIN - 7.0 * len(words) - 24
    width = abs(mean - zero)
    parts = [
        text(fitted(bar.label, room), MARGIN + 6, below - BAR - 5, class_=weight),
        text(words, WIDTH - MARGIN - 6, below - BAR - 5, class_=weight, text_anchor="end"),
        element("rect", class_=f"bar {weight}", x=min(zero, mean), y=below - BAR, width=width, height=BAR),
    ]
    if bar.error:
        (low, high), middle = (across.place(end) for end in bar.ends), below - BAR / 2
        parts.append(element("path", class_="error", d=f"M{low:.1f} {middle - 3:.1f}v6m0 -3H{high:.1f}m0 -3v6"))
    return parts
