"""From a click on a photograph to why the network answers as it does."""

import base64
import contextlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from convscope.client import Attribution, Client
from convscope.web.subject import sample
from tests.e2e.local_cluster import Addresses
from tests.processes import wait_until

MODEL = "efficientnet_lite0"


def click(page: Page, shows: str) -> None:
    page.get_by_role("button", name=shows).click()


def figures(page: Page) -> Locator:
    return page.get_by_role("tabpanel").first.locator("figure")


def choose(page: Page, label: str, *options: str) -> None:
    """In a list that drops down, by keyboard."""
    box = page.get_by_label(label, exact=True)
    for option in options:
        box.click()
        box.press("Control+a")
        box.press_sequentially(option)
        # A list that is still being filtered moves away from under the pointer.
        expect(page.locator('[role="option"]').filter(has_not_text=option)).to_have_count(0)
        page.get_by_role("option", name=option, exact=True).click()
        box.press("Escape")


def values(figure: Locator) -> np.ndarray:
    """What the link NPY gives."""
    url = figure.get_by_role("link", name="NPY").get_attribute("href")
    assert url is not None
    loaded: np.ndarray = np.load(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return loaded


def shows(figure: Locator, answer: Attribution) -> bool:
    return np.allclose(values(figure), answer.values, atol=1e-4 * np.abs(answer.values).max())


def pixels(figure: Locator) -> np.ndarray:
    """What is seen, RGB: a canvas over the picture."""
    canvas = figure.locator("canvas")
    return over(canvas.evaluate("canvas => canvas.toDataURL()"), canvas)


def over(url: str, canvas: Locator) -> np.ndarray:
    """A canvas's pixels, as a data URL, over its background."""
    background = canvas.evaluate("canvas => canvas.style.backgroundImage").removeprefix('url("').removesuffix('")')
    under, painted = (
        Image.open(io.BytesIO(base64.b64decode(one.partition(",")[2]))).convert("RGBA") for one in (background, url)
    )
    return np.asarray(Image.alpha_composite(under, painted).convert("RGB"), np.int16)


def test_a_click_gives_the_classes_and_the_heatmap_that_the_sdk_gives(page: Page, client: Client, cat: str) -> None:
    click(page, "A cat")
    expect(figures(page)).to_have_count(1)
    answer = client.attribute(cat, model=MODEL, method="grad_cam")
    assert page.locator("#said label").all_inner_texts() == [str(one) for one in answer.predictions]
    expect(page.locator("#said input").first).to_be_checked()
    assert np.array_equal(values(figures(page).first), answer.values)
    # A browser scales a little otherwise than Pillow.
    apart = np.abs(pixels(figures(page).first) - np.asarray(answer.overlay(), np.int16))
    assert apart.mean() < 3
    assert np.quantile(apart, 0.99) < 16


def test_another_class_and_other_methods_are_explained_side_by_side(page: Page, client: Client, cat: str) -> None:
    click(page, "A cat")
    expect(figures(page)).to_have_count(1)
    page.locator("#said label").nth(2).click()
    third = client.classify(cat, model=MODEL)[2]
    expect(figures(page).first).to_contain_text(third.label)
    choose(page, "Methods, side by side", "Saliency", "Grad-CAM, counterfactual", "Occlusion", "Segmentation")
    expect(figures(page)).to_have_count(5, timeout=60_000)
    titles = [figure.locator(".method").inner_text() for figure in figures(page).all()]
    assert titles == ["Grad-CAM", "Saliency", "Grad-CAM, counterfactual", "Occlusion", "Segmentation"]
    asked: list[dict[str, Any]] = [{}, {}, {"counterfactual": True}, {}, {}]
    methods = ["grad_cam", "saliency", "grad_cam", "occlusion", "segment"]
    for figure, method, parameters in zip(figures(page).all(), methods, asked, strict=True):
        answer = client.attribute(cat, model=MODEL, method=method, target=third.index, **parameters)
        # Each choice in the list is asked by itself, and quick answers are shown before slow ones.
        wait_until(partial(shows, figure, answer), method)
    choose(page, "Or any other class", "goldfish")
    expect(figures(page).first).to_contain_text("goldfish")
    expect(page.locator("#said input:checked")).to_have_count(0)


def test_the_lines_of_python_give_the_same(page: Page, cat: str, tmp_path: Path) -> None:
    click(page, "A cat")
    expect(figures(page)).to_have_count(1)
    choose(page, "Layer, for methods that look at one", "blocks.10")
    expect(figures(page).first).to_contain_text("blocks.10")
    page.get_by_role("button", name="The lines of Python").click()
    program = "\n".join(page.locator(".cm-line").all_inner_texts()).replace("picture.jpg", cat)
    found: dict[str, object] = {}
    with contextlib.chdir(tmp_path):
        exec(compile(program, "the page", "exec"), found)
    assert np.array_equal(found["answer"].values, values(figures(page).first))  # type: ignore[attr-defined]
    assert (tmp_path / "grad_cam.png").exists()


def test_opacity_and_colours_are_the_browsers_business(page: Page, client: Client, cat: str) -> None:
    click(page, "A cat")
    expect(figures(page)).to_have_count(1)
    answer = client.attribute(cat, model=MODEL, method="grad_cam")
    for opacity, colormap in ((0, "turbo"), (100, "turbo"), (100, "gray")):
        # In one go, in which no server could have been asked.
        url = (
            figures(page)
            .first.locator("canvas")
            .evaluate(
                """(canvas, [opacity, colormap]) => {
                const panel = canvas.closest("[role=tabpanel]");
                const [slider, colors] = [panel.querySelector("input[type=range]"), panel.querySelector("select")];
                slider.value = opacity;
                slider.dispatchEvent(new Event("input"));
                colors.value = colormap;
                colors.dispatchEvent(new Event("change"));
                return canvas.toDataURL();
            }""",
                [opacity, colormap],
            )
        )
        drawn = np.asarray(answer.overlay(opacity=opacity / 100, colormap=colormap), np.int16)
        assert np.abs(over(url, figures(page).first.locator("canvas")) - drawn).mean() < 3, (opacity, colormap)
    slider = figures(page).first.locator("xpath=ancestor::*[@role='tabpanel']").get_by_label("Opacity")
    slider.focus()
    slider.press("Home")
    choose(page, "Methods, side by side", "Eigen-CAM")
    expect(figures(page)).to_have_count(2)
    expect(slider).to_have_value("0")
    assert np.abs(pixels(figures(page).first) - np.asarray(answer.overlay(opacity=0), np.int16)).mean() < 3


def test_what_is_shown_can_be_kept_as_a_picture(page: Page) -> None:
    click(page, "A cat")
    with page.expect_download() as download:
        figures(page).first.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "Grad-CAM-Egyptian_cat.png"
    kept = np.asarray(Image.open(download.value.path()).convert("RGB"), np.int16)
    assert np.abs(kept - pixels(figures(page).first)).max() <= 2  # rounded once in either


def test_what_it_said_against_what_it_is(page: Page, client: Client, cat: str) -> None:
    click(page, "A cat")
    expect(figures(page)).to_have_count(1)
    page.get_by_role("button", name="Was it wrong?").click()
    choose(page, "What it really is", "tabby")
    expect(figures(page)).to_have_count(3)
    answer = client.analyze_failure(cat, "tabby", model=MODEL)
    for figure, role, one in zip(figures(page).all()[1:], ("said", "truth"), (answer.said, answer.truth), strict=True):
        expect(figure).to_contain_text(f"{role}: {one}")
        assert np.array_equal(values(figure), one.values)


def test_an_upload_and_a_broken_one(page: Page, client: Client, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    page.locator("#picture input[type=file]").set_input_files(broken)
    expect(page.get_by_text("cannot be decoded").or_(page.get_by_text("no JPEG, PNG or WebP")).first).to_be_visible()
    page.locator("#picture").get_by_role("button", name="Remove Image").click()
    whole = tmp_path / "flower.jpg"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (300, 400, 3), np.uint8)).save(whole)
    page.locator("#picture input[type=file]").set_input_files(whole)
    best = client.classify(whole, model=MODEL)[0]
    expect(page.locator("#said label").first).to_have_text(str(best))
    expect(figures(page)).to_have_count(1)


def test_a_slow_method_tells_how_far_it_is_and_makes_way_for_another_picture(
    page: Page, client: Client, cluster: Addresses
) -> None:
    choose(page, "Methods, side by side", "Ablation-CAM")
    click(page, "A cat")
    expect(page.locator("#explain-progress progress[value]")).to_be_visible()
    expect(figures(page)).to_have_count(1)
    click(page, "A cup of coffee")
    coffee = client.classify(str(sample("coffee")), model=MODEL)[0]
    expect(page.locator("#said label").first).to_have_text(str(coffee))
    expect(figures(page)).to_have_count(2, timeout=120_000)
    for figure in figures(page).all():
        expect(figure).to_contain_text(coffee.label)
    expect(page.locator("#explain-progress progress")).to_have_count(0)


def test_two_visitors_at_once_each_see_their_own(
    cluster: Addresses, visitor: Callable[..., Page], client: Client
) -> None:
    shows = {"A cat": "cat", "A cup of coffee": "coffee"}
    pages = {name: visitor(cluster.page) for name in shows}
    for _ in range(3):
        for name, page in pages.items():
            click(page, name)
        for name, page in pages.items():
            path = sample(shows[name])
            assert path is not None
            answer = client.attribute(path, model=MODEL, method="grad_cam")
            expect(page.locator("#said label").first).to_have_text(str(answer.predictions[0]))
            expect(figures(page)).to_have_count(1)
            assert np.allclose(values(figures(page).first), answer.values, atol=1e-4 * np.abs(answer.values).max())
