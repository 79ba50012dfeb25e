"""Charts read back: what is drawn is measured by the ticks that are drawn beside it."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from convscope.engine.evaluation.report.axis import MOST_TICKS, Axis
from convscope.engine.evaluation.report.bar_chart import Bar, bar_chart
from convscope.engine.evaluation.report.chart import attention_chart
from convscope.engine.evaluation.report.line_chart import line_chart
from convscope.engine.evaluation.report.report import Example, make_report
from convscope.engine.evaluation.report.svg import WIDTH, fitted, rules

BARS = [Bar("grad_cam", 0.61, 0.03, best=True), Bar("saliency", -0.22, 0.11), Bar("occlusion(window=9)", 0.4, None)]
BASE = Bar("random", 0.07, 0.02)
NOT_A_NAME = "<b>\"one\" & 'other'</b>"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def parsed(drawn: str) -> ElementTree.Element:
    root = ElementTree.fromstring(drawn)
    for part in root.iter():
        part.tag = part.tag.removeprefix(NAMESPACE)
    return root


def words(root: ElementTree.Element) -> list[str]:
    return [part.text or "" for part in root.iter("text")]


def scale(root: ElementTree.Element, along: str) -> Callable[[float], float]:
    """Pixels to numbers, by the first and the last tick."""
    anchor = "middle" if along == "x" else "end"
    ticks = [
        (float(part.get(along, "")), float((part.text or "").replace("\u2212", "-")))
        for part in root.iter("text")
        if part.get("text-anchor") == anchor and part.get("class") == "faint"
    ]
    (first, low), (last, high) = ticks[0], ticks[-1]
    # Words stand on a line below what they name.
    below = 4 if along == "y" else 0
    return lambda pixel: low + (pixel + below - first) * (high - low) / (last - first)


def with_class(root: ElementTree.Element, tag: str, name: str) -> list[ElementTree.Element]:
    return [part for part in root.iter(tag) if name in part.get("class", "").split()]


def number(part: ElementTree.Element, name: str) -> float:
    return float(part.get(name, ""))


def test_bars_reach_from_zero_to_their_means() -> None:
    root = parsed(bar_chart(BARS, title="Box overlap", note="high is good", base=BASE))
    value = scale(root, "x")
    for bar, drawn in zip(BARS, with_class(root, "rect", "bar"), strict=True):
        ends = value(number(drawn, "x")), value(number(drawn, "x") + number(drawn, "width"))
        assert ends == pytest.approx(sorted((0, bar.mean)), abs=0.002)
    tops = [number(drawn, "y") for drawn in with_class(root, "rect", "bar")]
    assert tops == sorted(tops)


def test_errors_reach_one_standard_error_to_both_sides() -> None:
    root = parsed(bar_chart(BARS, title="", note=""))
    value = scale(root, "x")
    drawn = [re.match(r"M(\S+) .*H([\d.]+)", part.get("d", "")) for part in with_class(root, "path", "error")]
    known = [bar for bar in BARS if bar.error]
    for bar, found in zip(known, drawn, strict=True):
        assert found is not None
        assert [value(float(end)) for end in found.groups()] == pytest.approx(bar.ends, abs=0.002)


def test_the_base_is_a_line_across_all_bars_with_its_error_around_it() -> None:
    root = parsed(bar_chart(BARS, title="", note="", base=BASE))
    value = scale(root, "x")
    base, sample = with_class(root, "line", "base")
    (band,) = with_class(root, "rect", "band")
    assert value(number(base, "x1")) == value(number(base, "x2")) == pytest.approx(BASE.mean, abs=0.002)
    assert number(sample, "y1") == number(sample, "y2") > number(base, "y2"), "in the legend below"
    bars = with_class(root, "rect", "bar")
    assert number(base, "y1") < number(bars[0], "y")
    assert number(base, "y2") > number(bars[-1], "y")
    ends = value(number(band, "x")), value(number(band, "x") + number(band, "width"))
    assert ends == pytest.approx(BASE.ends, abs=0.002)
    assert re.search(r"\.base \{[^}]*stroke-dasharray", rules())


def test_what_bars_show_is_said_in_words_too() -> None:
    root = parsed(bar_chart(BARS, title="Box overlap", note="high is good", base=BASE))
    assert {"grad_cam", "0.610 ± 0.030, best", "occlusion(window=9)", "0.400", "random 0.070 ± 0.020"} <= set(
        words(root)
    )
    said = root.get("aria-label", "")
    assert root.get("role") == "img"
    for part in ("Box overlap", "saliency \u22120.22 ± 0.11", "random 0.070"):
        assert part in said


X = [place / 10 for place in range(11)]
LINES = {"grad_cam": [value**2 for value in X], "saliency": [0.5] * 11, "random": [value / 3 for value in X]}


def points(part: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in part.get("points", "").split())]


def drawn_lines(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Without the samples of the legend, which lie below the plot."""
    plot = max(number(part, "y1") for part in root.iter("line"))
    return [part for part in root.iter("polyline") if all(y <= plot for _, y in points(part))]


def test_lines_go_through_their_values() -> None:
    root = parsed(line_chart(X, LINES, title="Insertion", x_label="part", y_label="probability"))
    across, up = scale(root, "x"), scale(root, "y")
    for values, drawn in zip(LINES.values(), drawn_lines(root), strict=True):
        found = [(across(x), up(y)) for x, y in points(drawn)]
        np.testing.assert_allclose(found, list(zip(X, values, strict=True)), atol=0.002)
    assert [drawn.get("class") for drawn in drawn_lines(root)] == [None, None, "base"]
    assert "grad_cam from 0.000 to 1.00; saliency from 0.500" in root.get("aria-label", "")


def test_a_value_that_is_not_there_parts_its_line() -> None:
    values = [None, 0.1, 0.2, None, 0.4, float("nan"), 0.6, 0.7]
    root = parsed(line_chart(range(8), {"one": values}, title="", x_label="", y_label=""))
    assert [len(points(part)) for part in drawn_lines(root)] == [2, 1, 2]


def test_lines_can_be_told_apart_without_colours() -> None:
    """Of twenty, none has the colour and the mark of another, and neighbours have neither in common."""
    many = {f"method {number}": [0.0, number] for number in range(20)}
    root = parsed(line_chart([0.0, 1.0], many, title="", x_label="", y_label=""))
    looks: dict[tuple[str | None, ...], None] = {}
    for part in with_class(root, "path", "mark"):
        shape = re.sub(r"^M\S+ [\d.]+", "", part.get("d", ""))
        looks[part.get("style"), shape, part.get("class")] = None
    assert len(looks) == 20
    order = list(looks)
    assert all(one[0] != other[0] and one[1:] != other[1:] for one, other in pairwise(order))


@pytest.mark.parametrize("count", [1, 5, 6, 7, 40])
def test_of_many_names_some_stand_along_the_axis_the_last_always(count: int) -> None:
    names = [f"features.{number}" for number in range(count)]
    root = parsed(line_chart(names, {"one": [0.5] * count}, title="", x_label="layer", y_label=""))
    shown = [word for word in words(root) if word.startswith("features.")]
    assert 1 <= len(shown) <= 6
    assert shown[-1] == names[-1]
    assert count > 6 or shown == names


@pytest.mark.parametrize(
    "values", [[0.2, 0.9], [-3.0, 8.0], [0.0], [], [1e-7, 3e-7], [12345.0], [-0.4], [float("inf")]]
)
def test_an_axis_holds_its_values_between_round_ticks(values: list[float]) -> None:
    axis = Axis.over(values, 10, 110)
    assert 2 <= len(axis.ticks) <= MOST_TICKS + 1
    assert axis.ticks[0] <= min([0.0, *values]) + 1e-12
    assert axis.ticks[-1] >= max(value for value in [0.0, *values] if np.isfinite(value)) - 1e-12
    assert (axis.place(axis.ticks[0]), axis.place(axis.ticks[-1])) == (10, 110)
    assert len({axis.words(tick) for tick in axis.ticks}) == len(axis.ticks)
    for tick in axis.ticks:
        assert float(axis.words(tick).replace("\u2212", "-")) == pytest.approx(tick, rel=1e-6, abs=1e-15)


def test_long_names_are_shortened_in_the_middle() -> None:
    assert fitted("grad_cam", 100) == "grad_cam"
    short = fitted("integrated_gradients(baseline=blur, steps=50)", 100)
    assert len(short) <= 100 / 6
    assert short.startswith("integr")
    assert short.endswith("=50)")


def examples(values: Mapping[str, Sequence[float]]) -> list[Example]:
    count = len(next(iter(values.values())))
    return [
        {
            "id": str(place), "image_number": place, "file_name": f"{place}.png", "target": "a star", "curves": {},
            "values": {label: {"attention_correlation": found[place]} for label, found in values.items()},
        }
        for place in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(("source", "honest"), [("truth", True), ("people", False)])
def test_a_report_of_attention_is_a_file_of_its_own(source: str, honest: bool) -> None:
    values = {NOT_A_NAME: [0.5, 0.7], "saliency": [0.1, 0.3], "random": [0.0, 0.02]}
    report = make_report(
        "evaluate_attention", model="shapes_vqa", collection=NOT_A_NAME, labels=list(values),
        metrics=["attention_correlation"], examples=examples(values), source=source,
    )  # fmt: skip
    drawn = attention_chart(report)
    assert drawn.startswith(f'<svg xmlns="{NAMESPACE[1:-1]}"')
    root = parsed(drawn)
    assert NOT_A_NAME in words(root)
    assert "0.60 ± 0.10" in words(root)
    assert ("no person was asked" in " ".join(words(root))) is honest
    value = scale(root, "x")
    ends = [value(number(bar, "x") + number(bar, "width")) for bar in with_class(root, "rect", "bar")]
    assert ends == pytest.approx([0.6, 0.2], abs=0.002)
    # Nothing that a viewer would have to fetch.
    assert not re.search(r"href|url\(|@import|<script", drawn)
    assert number(root, "width") == WIDTH


def luminance(color: str) -> float:
    """WCAG 2.2, relative luminance of #rrggbb."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_everything_stands_out_against_what_is_behind_it(scheme: int) -> None:
    """WCAG 2.2: words by 4.5 to 1, drawings by 3 to 1."""
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", rules().split("@media")[scheme].split(".chart")[0]))
    least = {"line": 1.0, "bar": 3.0} | {f"line-{number}": 3.0 for number in range(8)}
    for behind in ("paper", "card"):
        for name, color in colors.items():
            if name not in ("paper", "card"):
                pair = sorted((luminance(color), luminance(colors[behind])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= least.get(name, 4.5), (name, behind)
