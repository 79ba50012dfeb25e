"""From a layer to what its channels look for, and from a picture to those that are near to it."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from skimage import data

from convscope.client import Client, Collection, Patches
from tests.e2e.local_cluster import Addresses

MODEL = "efficientnet_lite0"
CONVOLUTION = "stem.conv"
DEEP = "blocks.10"
"""A layer without weights of its own."""
CHANNEL = 7
QUICK = "shapes_classifier"
"""Small enough for a whole picture of a channel."""


@pytest.fixture
def inside(page: Page) -> Page:
    """The page with the tab open, and a cat to look at."""
    return opened(page, "A cat")


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A dozen small pictures."""
    folder = tmp_path_factory.mktemp("crops")
    found = []
    for name in ("astronaut", "chelsea", "coffee"):
        whole = Image.fromarray(getattr(data, name)())
        for place in range(4):
            left, top = place % 2 * 150, place // 2 * 120
            found.append(folder / f"{name}-{place}.png")
            whole.crop((left, top, left + 180, top + 180)).save(found[-1])
    return found


@pytest.fixture
def known(client: Client, crops: list[Path]) -> Collection:
    """A collection that is indexed for the deep layer."""
    made = client.create_collection("Known crops")
    made.upload(crops)
    made.index(model=MODEL, layers=[DEEP]).result()
    return made


def opened(page: Page, photograph: str) -> Page:
    page.get_by_role("button", name=photograph).click()
    page.get_by_role("tab", name="Look inside").click()
    expect(page.locator("#inside-layer input")).to_have_value(re.compile(CONVOLUTION))
    return page


def choose(page: Page, box: str, option: str) -> None:
    """In a list that drops down: the first that has these words."""
    field = page.locator(f"#{box} input")
    field.click()
    field.select_text()
    field.press_sequentially(option)
    # A list that is still being filtered moves away from under the pointer.
    expect(page.locator('[role="option"]').filter(has_not_text=option)).to_have_count(0)
    page.get_by_role("option", name=option).first.click()


def choose_layer(page: Page, layer: str) -> None:
    choose(page, "inside-layer", f"{layer}, ")


def panel(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def words(tiles: Locator) -> list[list[str]]:
    return [[line for line in text.splitlines() if line] for text in tiles.all_inner_texts()]


def as_shown(patches: Patches) -> list[list[str]]:
    return [[f"{one.activation:.4g}", f"image {one.number}: {one.file_name}"] for one in patches]


def test_the_first_convolution_shows_its_filters_as_the_sdk_draws_them(inside: Page, client: Client) -> None:
    panel(inside, "Filters")
    url = inside.locator("#filters").get_by_role("link", name="PNG").get_attribute("href")
    assert url is not None
    shown = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    np.testing.assert_array_equal(shown, client.filters(MODEL, CONVOLUTION).grid())
    expect(inside.locator("#filters img")).to_be_visible()


def test_a_layer_without_weights_says_so_and_names_some_that_have_them(inside: Page) -> None:
    panel(inside, "Filters")
    choose_layer(inside, DEEP)
    said = inside.locator("#filters").get_by_role("status")
    expect(said).to_contain_text("has no filters on a grid")
    expect(said).to_contain_text(f"{DEEP}._expand_conv")


def test_the_channels_that_answer_most_are_shown_with_their_values(inside: Page, client: Client, cat: str) -> None:
    choose_layer(inside, DEEP)
    tiles = inside.locator("#activations").get_by_role("button")
    for order, word in (("maximum", "max"), ("mean", "mean")):
        choose(inside, "order", f"Largest {order}")
        (found,) = client.activations(cat, model=MODEL, layers=DEEP, order=order, limit=24)
        values = getattr(found.values, word)(axis=(1, 2))
        expect(tiles.first).to_contain_text(f"Channel {found.channels[0]}")
        expect(tiles.first).to_contain_text(word)
        shown = words(tiles)
        assert [name for name, _ in shown] == [f"Channel {channel}" for channel in found.channels]
        np.testing.assert_allclose([float(note.removeprefix(word)) for _, note in shown], values, rtol=1e-3)


def test_a_channel_is_chosen_with_the_arrow_keys(inside: Page) -> None:
    tiles = inside.locator("#activations").get_by_role("button")
    tiles.first.focus()
    inside.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    inside.keyboard.press("Enter")
    expect(tiles.nth(1)).to_have_attribute("aria-pressed", "true")
    name = tiles.nth(1).locator(".caption").inner_text()
    expect(inside.locator("#channel input")).to_have_value(name.removeprefix("Channel "))


def test_files_become_a_collection_which_shows_what_a_channel_looks_for(
    inside: Page, client: Client, crops: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    inside.get_by_role("button", name="Make a collection, or add pictures to one").click()
    inside.locator("#collection-files input[type=file]").set_input_files([*crops, broken])
    inside.locator("#collection-name").get_by_role("textbox").fill("Crops <of> photographs")
    expect(inside.locator("#collection-files").get_by_role("cell", name="broken.png")).to_be_visible()
    inside.get_by_role("button", name="Make a collection of them").click()
    taken = inside.locator("#taken")
    expect(taken).to_contain_text("12 images added, 1 broken")
    expect(taken.get_by_role("listitem")).to_contain_text("broken.png: 10 bytes that are no")

    tile = inside.locator("#activations").get_by_role("button").first
    tile.click()
    expect(inside.locator("#patches")).to_contain_text(f"is not indexed for {CONVOLUTION}")
    inside.get_by_role("button", name=f"Index it for {CONVOLUTION}").click()
    shown = inside.locator("#patches").get_by_role("listitem")
    expect(shown).to_have_count(9)
    expect(inside.locator("#collection-status")).to_contain_text(f"indexed for {CONVOLUTION}")

    (made,) = (one for one in client.collections() if one.display_name == "Crops <of> photographs")
    channel = int(tile.locator(".caption").inner_text().removeprefix("Channel "))
    assert words(shown) == as_shown(made.find_patches(CONVOLUTION, channel))


def test_the_neighbours_are_those_of_the_sdk(inside: Page, known: Collection, cat: str) -> None:
    panel(inside, "Neighbours")
    choose_collection(inside, known)
    found = known.compare_neighbors(cat)
    for kind, near in (("by feature vectors", found.features), ("pixel by pixel", found.pixels)):
        shown = inside.get_by_role("list", name=f"Neighbours {kind}").get_by_role("listitem")
        expect(shown).to_have_count(6)
        numbers = [f"{one.distance:.4g}, image {one.number}: {one.file_name}" for one in near]
        assert shown.locator(".note").all_inner_texts() == numbers


def test_a_map_is_drawn_to_look_around_in(inside: Page, known: Collection) -> None:
    choose_collection(inside, known)
    panel(inside, "Map")
    inside.get_by_role("button", name="Draw the map").click()
    frame = inside.frame_locator("iframe[title='Map to look around in']")
    expect(frame.locator("#count")).to_have_text("12 pictures")
    frame.get_by_role("searchbox").fill("chelsea")
    expect(frame.locator("#count")).to_have_text("4 of 12 pictures")
    expect(inside.get_by_role("img", name="Known crops: a map of 12 images")).to_be_visible()


def test_a_picture_for_a_channel_comes_about_and_can_be_cancelled(inside: Page, client: Client) -> None:
    choose_layer(inside, DEEP)
    inside.get_by_role("button", name="Visualise this channel").click()
    expect(inside.get_by_text("Choose a channel first")).to_be_visible()
    inside.locator("#channel input").fill(str(CHANNEL))
    inside.get_by_role("button", name="Visualise this channel").click()
    expect(inside.get_by_role("img", name=f"Channel {CHANNEL} of {DEEP}, so far")).to_be_visible()
    inside.get_by_role("button", name="Cancel").click()
    expect(inside.locator("#visualize-progress")).to_contain_text("cancelled")
    expect(inside.get_by_role("button", name="Cancel")).to_be_hidden()
    assert next(client.jobs(kinds="visualize_channel")).state == "cancelled"


@pytest.mark.slow
@pytest.mark.timeout(400)  # a whole job, on cores that other tests share
def test_a_finished_picture_for_a_channel_is_named_and_offered(
    client: Client, cluster: Addresses, visitor: Callable[..., Page]
) -> None:
    client.load_model(QUICK)
    page = opened(visitor(cluster.page), "A cat")
    choose(page, "model", QUICK)
    expect(page.locator("#inside-layer input")).to_have_value(re.compile(r"eye\."))
    page.locator("#channel input").fill(str(CHANNEL))
    page.get_by_role("button", name="Visualise this channel").click()
    link = page.locator("#visualization").get_by_role("link", name="PNG")
    link.wait_for(timeout=300_000)
    job = next(client.jobs(kinds="visualize_channel"))
    expect(page.locator("#visualization")).to_contain_text(job.name)
    url = link.get_attribute("href")
    assert url is not None
    assert base64.b64decode(url.partition(",")[2]) == client.job(job.name).download("image-0.png")


def test_two_who_look_at_once_see_their_own(cluster: Addresses, visitor: Callable[..., Page]) -> None:
    one, other = opened(visitor(cluster.page), "A cat"), opened(visitor(cluster.page, width=360, dark=True), "A cup")
    choose_layer(one, DEEP)
    expect(one.locator("#activations")).to_contain_text("14 x 14 places")
    expect(other.locator("#activations")).to_contain_text("112 x 112 places")
    other.locator("#activations").get_by_role("button").first.click()
    expect(other.locator("#channel input")).not_to_have_value("")
    expect(one.locator("#channel input")).to_have_value("")
    assert other.evaluate("document.documentElement.scrollWidth") <= 360


def choose_collection(page: Page, collection: Collection) -> None:
    page.get_by_role("button", name="Refresh").click()
    choose(page, "collection", "Known crops, 12 images")
    expect(page.locator("#collection-status")).to_contain_text("12 images")
