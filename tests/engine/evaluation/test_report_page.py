"""The page of a report: what it says, and how a browser shows it."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from convscope.engine.evaluation.report.best import best_of
from convscope.engine.evaluation.report.page import report_page
from convscope.engine.evaluation.report.report import Example, make_report

NOT_A_NAME = "<script>alert(\"1\")</script> & 'x' $title"
LONG = "integrated_gradients(baseline=blur, layer=features.denseblock4.denselayer16.conv2, steps=500)"
METHODS = ("grad_cam", LONG, "guided_backprop", "random")
METRICS = ("pointing_game", "energy_inside", "deletion", "infidelity", "randomization")
STAGES = ("classifier", "features.denseblock4.denselayer16.conv2", "features.conv0")
COUNT = 7

OUTSIDE = """(charts) => charts.flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  return [...chart.querySelectorAll("text")].filter((words) => {
    const box = words.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
  }).map((words) => words.textContent);
})"""
"""Words of charts that are cut off."""
TOUCHING = """(charts) => charts.flatMap((chart) => {
  // Those that are turned have boxes much larger than they are.
  const words = [...chart.querySelectorAll("text:not([transform])")];
  const box = new Map(words.map((one) => [one, one.getBoundingClientRect()]));
  const touch = (a, b) => a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom;
  return words.flatMap((one, place) => words.slice(place + 1).filter((other) => touch(box.get(one), box.get(other)))
    .map((other) => `${one.textContent} | ${other.textContent}`));
})"""
"""Words of charts that lie on others."""
WIDTHS = """(images) => Promise.all(images.map(async (image) => {
  image.loading = "eager";
  await image.decode();
  return image.naturalWidth;
}))"""
"""Of pictures, once they are there."""


def examples(count: int = COUNT, metrics: Sequence[str] = METRICS) -> list[Example]:
    """Made up: the first method is the best of deletion, and the others' values are worse by their number."""
    rng = np.random.default_rng(0)
    found = []
    for place in range(count):
        values: dict[str, dict[str, float | None]] = {}
        curves: dict[str, dict[str, list[float]]] = {}
        for number, method in enumerate(METHODS):
            measured = {metric: 0.2 * number + 0.1 + float(rng.random() / 10) for metric in metrics}
            if method == "random":
                measured.pop("infidelity", None), measured.pop("randomization", None)
            values[method] = {**measured}
            curves[method] = {
                "deletion": [0.9, 0.5 + 0.1 * number, 0.2 * number],
                "randomization": [0.8, 0.4, measured.get("randomization", 0)],
            }
        if place == 2 and "energy_inside" in metrics:
            values["grad_cam"]["energy_inside"] = None
        found.append(
            {
                "id": str(place), "image_number": place, "file_name": f"{NOT_A_NAME} {place}.png",
                "target": f"{NOT_A_NAME}, target {place}", "values": values, "curves": curves,
            }
        )  # fmt: skip
    return found


def report(*, count: int = COUNT, source: str | None = None, metrics: Sequence[str] = METRICS) -> dict[str, Any]:
    return make_report(
        "evaluate_attention" if source else "evaluate_methods", model="shapes_vqa", collection=NOT_A_NAME,
        labels=METHODS, metrics=metrics, examples=examples(count, metrics), source=source, stages=STAGES,
    )  # fmt: skip


class Pictures:
    """Each in a colour of its own; counts who asks."""

    def __init__(self) -> None:
        self.asked = Counter[tuple[int, str]]()

    def __call__(self, place: int, label: str) -> bytes:
        self.asked[place, label] += 1
        color = (30 * place, 60 * METHODS.index(label) if label else 255, 90)
        file = BytesIO()
        Image.new("RGB", (96, 64), color).save(file, "JPEG")
        return file.getvalue()


class Reader(HTMLParser):
    """The elements of a page with their words."""

    VOID = frozenset({"img", "meta", "wbr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(page)
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        if tag not in self.VOID:
            self._open.append(len(self.found) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.found[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for place in self._open:
            self.found[place][2].append(data)

    def words(self, tag: str) -> list[str]:
        return ["".join(words) for name, _, words in self.found if name == tag]

    def attributes(self, tag: str) -> list[Mapping[str, str | None]]:
        return [attributes for name, attributes, _ in self.found if name == tag]


@pytest.fixture(scope="module")
def read() -> Reader:
    return Reader(report_page(report(), Pictures()))


def test_the_table_has_every_estimate_with_error_and_count(read: Reader) -> None:
    found = report()
    cells = iter(read.words("td"))
    for method in found["methods"]:
        for metric in METRICS:
            estimated, cell = method["estimates"].get(metric), next(cells)
            if estimated is None:
                assert "no value" in cell
                continue
            mean, error, count = re.match(r"([\d.]+) ± ([\d.]+)n = (\d+)", cell).groups()  # type: ignore[union-attr]
            assert float(mean) == pytest.approx(estimated["mean"], abs=0.001)
            assert float(error) == pytest.approx(estimated["standard_error"], abs=0.001)
            assert int(count) == estimated["count"]
    assert next(cells, None) is None


def test_the_best_of_each_metric_is_marked_by_a_word(read: Reader) -> None:
    cells = np.array(read.words("td")).reshape(len(METHODS), len(METRICS))
    marked = {(METHODS[row], METRICS[column]) for row, column in np.argwhere(np.char.find(cells, "best") >= 0)}
    assert marked == {
        ("guided_backprop", "pointing_game"),
        ("guided_backprop", "energy_inside"),
        ("grad_cam", "deletion"),
        ("grad_cam", "infidelity"),
        ("grad_cam", "randomization"),
    }
    # The random map, drawn here with the highest values of all, beats the best of what should be high.
    unimpressive = {METRICS[column] for _, column in np.argwhere(np.char.find(cells, "not better than random") >= 0)}
    assert unimpressive == {"pointing_game", "energy_inside"}


@pytest.mark.parametrize(("better", "best"), [("high", "grad_cam"), ("low", "saliency"), ("zero", "occlusion")])
def test_the_best_is_by_what_the_metric_says_is_good(better: str, best: str) -> None:
    means = {"grad_cam": 0.5, "saliency": -0.6, "occlusion": -0.2, "random": 0.3}
    made = {"methods": [{"method": name, "estimates": {"it": {"mean": mean}}} for name, mean in means.items()]}
    found = best_of(made, {"name": "it", "better": better})
    assert found.labels == {best}
    assert found.above_random
    made["methods"] = made["methods"][1:2] + made["methods"][-1:]
    assert not best_of(made, {"name": "it", "better": better}).labels, "one alone is not the best of anything"


def test_equal_methods_are_both_the_best() -> None:
    made = {"methods": [{"method": name, "estimates": {"it": {"mean": 1.0}}} for name in ("one", "other", "random")]}
    found = best_of(made, {"name": "it", "better": "high"})
    assert found.labels == {"one", "other"}
    assert not found.above_random


def test_every_method_shows_its_best_and_worst_with_target_and_value(read: Reader) -> None:
    found = report()
    captions = [words for words in read.words("figcaption") if "target" in words]
    expected = [
        (found["examples"][place], label, shown["by"])
        for label, shown in found["shown"].items()
        for place in shown["best"] + shown["worst"]
    ]
    assert len(expected) > len(METHODS)
    for words, (example, label, by) in zip(captions, expected, strict=True):
        assert words.startswith(example["target"])
        assert words.endswith(example["file_name"])
        value = float(words.removeprefix(example["target"]).removesuffix(example["file_name"]))
        assert value == pytest.approx(example["values"][label][by], abs=0.001)


def test_each_picture_is_made_once_and_says_what_it_is(read: Reader) -> None:
    pictures, found = Pictures(), report()
    report_page(found, pictures)
    assert set(pictures.asked.values()) == {1}
    shown = {(place, label) for label, one in found["shown"].items() for place in one["best"] + one["worst"]}
    assert {one for one in pictures.asked if one[1]} == shown
    images = read.attributes("img")
    assert all(one["alt"] and (one["src"] or "").startswith("data:image/jpeg;base64,") for one in images)
    assert {(one["width"], one["height"]) for one in images} == {("96", "64")}


def test_what_is_measured_is_explained(read: Reader) -> None:
    found = report()
    assert read.words("dd") == [metric["note"] for metric in found["metrics"]]
    for words, metric in zip(read.words("dt"), found["metrics"], strict=True):
        assert words.startswith(metric["title"])
    assert len(read.attributes("svg")) == len(METRICS) + 2, "a chart for each metric, and two curves"


def test_no_name_is_taken_for_a_part_of_the_page(read: Reader) -> None:
    assert not read.attributes("script")
    assert any(NOT_A_NAME in words for words in read.words("p"))
    assert read.words("title") == ["How good are explanations of shapes_vqa?"]


@pytest.mark.parametrize(("source", "said"), [("truth", "No person looked"), ("people", "all who looked"), (None, "")])
def test_it_says_what_attention_is_compared_with(source: str | None, said: str) -> None:
    metrics = METRICS if source is None else ("attention_correlation",)
    page = report_page(report(source=source, metrics=metrics), Pictures())
    notes = [attributes for attributes in Reader(page).attributes("p") if attributes.get("class") == "source"]
    assert len(notes) == (source is not None)
    assert said in page
    for honest in ("No person looked", "Here the masks take the place of people"):
        assert (honest in page) is (source == "truth")


def test_of_one_example_it_says_why_there_is_no_error() -> None:
    page = Reader(report_page(report(count=1), Pictures()))
    assert not any("±" in cell for cell in page.words("td"))
    assert any("no standard error" in note for note in page.words("p"))
    assert not any("no standard error" in note for note in Reader(report_page(report(), Pictures())).words("p"))


def test_a_report_without_any_value_is_a_page_too() -> None:
    found = examples()
    for example in found:
        example["values"], example["curves"] = {}, {}
    empty = make_report(
        "evaluate_methods", model="shapes_vqa", collection="none", labels=METHODS, metrics=METRICS, examples=found
    )
    page = Reader(report_page(empty, Pictures()))
    assert all("no value" in cell for cell in page.words("td"))
    assert not page.attributes("svg")
    assert not page.attributes("img")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone when the file's tests are done: while it is there, its event loop counts as running in this thread."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def opened(browser: Browser, folder: Path, *, width: int = 1280, dark: bool = False) -> Page:
    """The page from a file, and nothing that it complains about."""
    file = folder / "report.html"
    file.write_text(report_page(report(), Pictures()), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.goto(file.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert not faults, faults
    return page


@pytest.mark.parametrize(("width", "wider"), [(360, True), (768, True), (1280, False)])
def test_it_can_be_read_at_any_width(browser: Browser, tmp_path: Path, width: int, wider: bool) -> None:
    """Only the table is wider, in a frame of its own; nothing of a chart is cut off or small."""
    page = opened(browser, tmp_path, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    frame = page.locator(".scroll")
    assert frame.evaluate("(frame) => frame.scrollWidth > frame.clientWidth") is wider
    charts = page.locator("svg.chart")
    assert charts.evaluate_all(OUTSIDE) == []
    sizes = charts.evaluate_all("(charts) => charts.map((one) => 12 * one.getBoundingClientRect().width / 360)")
    assert min(sizes) >= 10, "pixels of a letter"
    page.close()


def test_words_of_a_chart_do_not_touch(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path)
    assert page.locator("svg.chart").evaluate_all(TOUCHING) == []
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_it_follows_light_and_dark(browser: Browser, tmp_path: Path, dark: bool) -> None:
    page = opened(browser, tmp_path, dark=dark)
    paper, ink = (
        sum(map(int, re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{name}"))[:3])) / 3
        for name in ("backgroundColor", "color")
    )
    behind, before = (ink, paper) if dark else (paper, ink)
    assert behind > 200
    assert before < 60
    page.close()


def test_whoever_cannot_see_it_finds_their_way(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path)
    assert page.get_by_role("columnheader").count() == 1 + len(METRICS)
    assert page.get_by_role("rowheader").count() == len(METHODS)
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("heading", level=3).all_inner_texts() == list(METHODS[:-1])
    assert page.locator("img:not([alt]), img[alt=''], svg:not([aria-label])").count() == 0
    assert set(page.locator("img").evaluate_all(WIDTHS)) == {96}
    page.get_by_role("region", name="Table of results").focus()
    assert page.evaluate("document.activeElement.className") == "scroll"
    page.close()
