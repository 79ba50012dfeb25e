"""Curves of several methods, as lines with a legend below."""

from collections.abc import Mapping, Sequence
from math import ceil, isfinite, nan

from convscope.engine.evaluation.metrics import RANDOM
from convscope.engine.evaluation.report.axis import Axis
from convscope.engine.evaluation.report.mark import KINDS, mark
from convscope.engine.evaluation.report.numerals import numeral
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

PLOT = 170.0
"""Height of what the lines are drawn in, pixels."""
MOST_NAMES, NAME = 6, 99.0
"""Names along an axis, and the room that each has, pixels. As many marks stand on a line."""
COLORS = 8
"""In chart.css."""

Point = tuple[float, float]


def line_chart(
    x: Sequence[float] | Sequence[str],
    lines: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    base: str = RANDOM,
) -> str:
    """SVG for a page with chart.css.

    x: a number or a name for each point. lines: by label, a value for each point; None: it has none there. base: the
    line, where there is one, that all are compared with, dashed.
    """
    down = Axis.over((_number(value) for values in lines.values() for value in values), LINE + 8 + PLOT, LINE + 8)
    left = MARGIN + LETTER * max(len(down.words(tick)) for tick in down.ticks) + 6
    parts = [text(y_label, MARGIN, 12, class_="faint")]
    for tick in down.ticks:
        y = down.place(tick)
        parts.append(line(left, y, WIDTH - MARGIN, y, class_="zero" if tick == 0 else "grid"))
        parts.append(text(down.words(tick), left - 5, y + 4, class_="faint", text_anchor="end"))
    places, words, bottom = _along(x, left, down.start)
    parts += [*words, text(x_label, left, bottom, class_="faint")]
    for number, (label, values) in enumerate(lines.items()):
        points = [(place, down.place(_number(value))) for place, value in zip(places, values, strict=True)]
        parts += _dashed(points) if label == base else _marked(points, number)
    legend, bottom = _legend(list(lines), base, bottom + 8)
    ends = "; ".join(f"{label} from {numeral(values[0])} to {numeral(values[-1])}" for label, values in lines.items())
    return drawing([*parts, *legend], WIDTH, bottom, said=f"{title}, {y_label} by {x_label}: {ends}")


def _along(x: Sequence[float] | Sequence[str], left: float, top: float) -> tuple[list[float], list[str], float]:
    """Each point's place, the words below the axis, and where what follows them stands."""
    right = WIDTH - MARGIN - 6
    numbers = [value for value in x if not isinstance(value, str)]
    if len(numbers) == len(x):
        across = Axis.over(numbers, left, right)
        return [across.place(value) for value in numbers], ticks_below(across, top + LINE), top + 2 * LINE
    places = [left + (right - left) * (number + 0.5) / len(x) for number in range(len(x))]
    every = ceil(len(x) / MOST_NAMES)
    # The last is named whatever its number: it stands for what all of them come to.
    named = [number for number in range(len(x)) if (len(x) - 1 - number) % every == 0]
    names = [_turned(fitted(str(x[number]), NAME), places[number], top) for number in named]
    return places, names, top + LINE + 8 + 0.85 * NAME


def _turned(name: str, x: float, top: float) -> str:
    turn = f"translate({x + 4:.1f} {top + 13:.1f}) rotate(-50)"
    return text(name, 0, 0, class_="faint", text_anchor="end", transform=turn)


def _dashed(points: Sequence[Point]) -> list[str]:
    return [element("polyline", points=_places(run), class_="base") for run in _runs(points)]


def _marked(points: Sequence[Point], number: int) -> list[str]:
    """number: of the line. Not all have their marks at the same places, where they would cover each other."""
    every = ceil(len(points) / MOST_NAMES)
    places = [point for place, point in enumerate(points) if place % every == number % every and isfinite(point[1])]
    drawn = [element("polyline", points=_places(run), style=_color(number)) for run in _runs(points)]
    return [*drawn, *(_mark(x, y, number) for x, y in places)]


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """What can be drawn in one go: a value that is not there parts a line."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if isfinite(point[1]):
            runs[-1].append(point)
        else:
            runs.append([])
    return [run for run in runs if run]


def _legend(labels: Sequence[str], base: str, top: float) -> tuple[list[str], float]:
    """In two columns, and where it ends."""
    column = (WIDTH - 2 * MARGIN) / 2
    parts = []
    for number, label in enumerate(labels):
        x, y = MARGIN + number % 2 * column, top + LINE * (number // 2 + 1) - 4
        sample = [(x, y), (x + 22, y)]
        if label == base:
            parts += _dashed(sample)
        else:
            parts += [element("polyline", points=_places(sample), style=_color(number)), _mark(x + 11, y, number)]
        parts.append(text(fitted(label, column - 34), x + 28, y + 4))
    return parts, top + LINE * ceil(len(labels) / 2) + 6


def _mark(x: float, y: float, number: int) -> str:
    # Lines of one colour have different marks.
    return mark(x, y, (number + number // COLORS) % KINDS, style=_color(number))


def _color(number: int) -> str:
    return f"--color: var(--line-{number % COLORS})"


def _places(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _number(value: float | None) -> float:
    return nan if value is None else value
