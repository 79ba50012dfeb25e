"""Drawings as SVG: words are escaped, and places rounded to tenths of a pixel."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from math import ceil

from convscope.engine.evaluation.report.axis import Axis

WIDTH, MARGIN = 360.0, 10.0
"""Of a chart, and what is left free on each side, pixels: it can be read on a phone without being made smaller."""
LINE, LETTER = 17.0, 6.6
"""Height of a line of words, and about the width of a letter, pixels."""


def element(name: str, content: str = "", /, **attributes: str | float) -> str:
    """content: SVG. attributes: a _ in a name stands for -, one at its end for nothing."""
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>"


def text(words: str, x: float, y: float, **attributes: str | float) -> str:
    return element("text", escape(words), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def ticks_below(across: Axis, y: float) -> list[str]:
    """The words of an axis that goes to the right, as many as have room; none reaches out of the chart."""
    words = [across.words(tick) for tick in across.ticks]
    widest = LETTER * (max(map(len, words)) + 1)
    every = ceil(widest * len(words) / (across.end - across.start + widest))
    return [
        text(word, min(max(across.place(tick), half), WIDTH - half), y, class_="faint", text_anchor="middle")
        for number, (tick, word) in enumerate(zip(across.ticks, words, strict=True))
        if number % every == 0 and (half := LETTER * len(word) / 2)
    ]


def fitted(words: str, width: float) -> str:
    """Shortened in the middle where they would be wider than that, pixels: both its beginning and its end tell a name
    from others."""
    most = max(3, int(width / LETTER))
    if len(words) <= most:
        return words
    behind = (most - 1) // 2
    return f"{words[: most - 1 - behind]}…{words[len(words) - behind :]}"


def drawing(parts: Iterable[str], width: float, height: float, *, said: str) -> str:
    """For a page with the rules of chart.css. said: what is to be seen, for those who do not see it."""
    box = f"0 0 {_value(width)} {_value(height)}"
    return element("svg", "".join(parts), class_="chart", viewBox=box, role="img", aria_label=said)


def standalone(parts: Iterable[str], width: float, height: float, *, said: str) -> str:
    """A file, with the rules in it."""
    box = f"0 0 {_value(width)} {_value(height)}"
    sheet = element("rect", class_="sheet", width=width, height=height)
    return element(
        "svg", element("title", escape(said)) + element("style", rules()) + sheet + "".join(parts),
        xmlns="http://www.w3.org/2000/svg", class_="chart", width=width, height=height, viewBox=box, role="img",
    )  # fmt: skip


def rules() -> str:
    """chart.css, which has nothing in it that would have to be escaped."""
    return files("convscope.engine.evaluation.report").joinpath("chart.css").read_text(encoding="utf-8")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{round(value, 1):g}"
