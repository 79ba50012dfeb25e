"""From a click on Start to a picture that everybody can see again."""

import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from convscope.client import Client
from tests.e2e.local_cluster import Addresses
from tests.web.conftest import MILLISECONDS

SMALL, FEW, LONG, MANY = 64, 6, 120, 5000


@pytest.fixture
def dreamer(cluster: Addresses, visitor: Callable[..., Page]) -> Callable[[], Page]:
    """Opens the tab as a new visitor, as soon as it knows the model."""

    def open_tab() -> Page:
        page = visitor(f"{cluster.page}/?tab=dream")
        expect(page.locator("#dream-plan")).to_contain_text("Makes the picture", timeout=MILLISECONDS)
        return page

    return open_tab


def say(page: Page, option: str, value: object) -> None:
    page.locator(f"#dream-{option} input").fill(str(value))
    page.locator(f"#dream-{option} input").press("Tab")


def choose(page: Page, option: str, name: str) -> None:
    page.locator(f"#dream-{option} input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")


def start(page: Page, *, steps: int, size: int | None = SMALL) -> list[str]:
    """With so many steps; gives the names of the jobs, as the address has them."""
    say(page, "steps", steps)
    if size is not None:
        say(page, "size", size)
    expect(page.locator("#dream-plan")).to_contain_text(f"in {steps} steps")
    page.locator("#dream-start").click()
    page.wait_for_url(re.compile(r"[?&]job="))
    return re.findall(r"[?&]job=(\w+)", page.url)


def reach(page: Page, state: str) -> None:
    """Until all jobs that are shown have come to that state."""
    jobs = page.locator("#dream-view .job")
    jobs.first.wait_for()
    for job in jobs.all():
        expect(job.locator(".state")).to_have_text(state, timeout=2 * MILLISECONDS)


def picture(figure: Locator) -> bytes:
    """The file that is shown."""
    source = figure.locator("img").get_attribute("src") or ""
    return b64decode(source.partition("base64,")[2])


def test_a_class_visualisation_is_seen_while_it_works_and_afterwards_by_everybody(
    cluster: Addresses, client: Client, dreamer: Callable[[], Page], visitor: Callable[..., Page]
) -> None:
    page = dreamer()
    (name,) = start(page, steps=LONG)
    view = page.locator("#dream-view")
    expect(view.locator(".how-far")).to_contain_text(f"of {LONG} steps", timeout=MILLISECONDS)
    expect(view.locator(".picture")).to_contain_text("So far", timeout=MILLISECONDS)
    expect(view.get_by_role("img", name=re.compile("^Loss: "))).to_be_visible(timeout=MILLISECONDS)
    reach(page, "succeeded")

    made = client.job(name).result(parts=["images", "history"])
    assert picture(view.locator(".picture")) == made.files["image-0.png"]
    expect(view.locator(".picture")).to_contain_text("flamingo")
    expect(view.locator(".curve svg")).to_have_attribute("aria-label", re.compile(f"at step {LONG}$"))
    with page.expect_download() as download:
        view.get_by_role("button", name="NPY").click()
    assert Path(download.value.path()).read_bytes() == client.job(name).download("values.npy")

    page.reload()
    reach(page, "succeeded")
    assert picture(view.locator(".picture")) == made.files["image-0.png"]

    other = visitor(page.url)
    reach(other, "succeeded")
    assert picture(other.locator("#dream-view .picture")) == made.files["image-0.png"]

    hanging = other.locator(f"#dream-lists .gallery a[data-job='{name}']")
    expect(hanging.locator("img")).to_be_visible(timeout=MILLISECONDS)
    expect(hanging).to_have_attribute("aria-current", "true")


def test_a_job_that_works_is_still_watched_after_a_reload_and_ends_when_it_is_cancelled(
    client: Client, dreamer: Callable[[], Page]
) -> None:
    page = dreamer()
    (name,) = start(page, steps=MANY)
    reach(page, "running")
    page.reload()
    reach(page, "running")
    expect(page.locator("#dream-view .how-far")).to_contain_text(f"of {MANY} steps", timeout=MILLISECONDS)
    page.get_by_role("button", name="Cancel", exact=True).click()
    reach(page, "cancelled")
    assert client.job(name).state == "cancelled"


def test_two_recipes_become_a_table_of_two(client: Client, dreamer: Callable[[], Page]) -> None:
    page = dreamer()
    choose(page, "recipes", "simonyan2013")
    names = start(page, steps=FEW)
    rows = page.locator("#dream-view tbody tr")
    expect(rows).to_have_count(2)
    reach(page, "succeeded")
    for row, name, system in zip(rows.all(), names, ("Olah et al. 2017", "Simonyan et al. 2013"), strict=True):
        expect(row.get_by_role("rowheader")).to_contain_text(system)
        assert picture(row.locator(".picture")) == client.job(name).download("image-0.png")
    expect(rows.first.locator(".mark", has_text="✓")).to_have_count(2)
    expect(rows.last.locator(".mark", has_text="✓")).to_have_count(0)


def test_deep_dream_of_a_sample_stands_beside_its_photograph(client: Client, dreamer: Callable[[], Page]) -> None:
    page = dreamer()
    page.get_by_label("DeepDream").check()
    expect(page.locator("#dream-plan")).to_contain_text("DeepDream needs a picture")
    page.locator("#dream-start").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("DeepDream needs a picture")

    page.locator("#samples button").first.click()
    expect(page.locator("#dream-plan")).to_contain_text("Exaggerates", timeout=MILLISECONDS)
    (name,) = start(page, steps=2, size=128)
    reach(page, "succeeded")
    shown = page.locator("#dream-view .picture")
    expect(shown).to_have_count(2)
    expect(shown.first).to_contain_text("The photograph")
    assert picture(shown.last) == client.job(name).download("image-0.png")


def test_a_picture_that_was_changed_says_what_it_was_taken_for_before_and_after(dreamer: Callable[[], Page]) -> None:
    page = dreamer()
    page.locator("#samples button").first.click()
    page.get_by_label("Adversarial change").check()
    expect(page.locator("#dream-plan")).to_contain_text("at least 90 % sure", timeout=MILLISECONDS)
    start(page, steps=30, size=None)
    reach(page, "succeeded")
    expect(page.locator("#dream-view .words")).to_have_text("The model takes it for flamingo.")
    expect(page.locator("#dream-view .picture")).to_have_count(3)
    before, after = page.locator("#dream-view .said").all()
    expect(before).to_contain_text("cat")
    expect(after.locator("li").first).to_contain_text("flamingo")


def test_two_visitors_at_once_see_each_their_own(client: Client, dreamer: Callable[[], Page]) -> None:
    labels = ("goldfish", "hammerhead")
    pages = [dreamer() for _ in labels]
    for page, label in zip(pages, labels, strict=True):
        choose(page, "target", label)
    names = [start(page, steps=FEW)[0] for page in pages]
    for page, label, name in zip(pages, labels, names, strict=True):
        reach(page, "succeeded")
        made = client.job(name).result(parts=["images"])
        assert made.labels == (label,)
        expect(page.locator("#dream-view .picture")).to_contain_text(label)
        assert picture(page.locator("#dream-view .picture")) == made.files["image-0.png"]


def test_a_job_that_nobody_knows_is_a_sentence(cluster: Addresses, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{cluster.page}/?job=nowhere", width=360, dark=True)
    expect(page.get_by_role("tab", name="Dream")).to_have_attribute("aria-selected", "true")
    said = page.locator("#dream-view").get_by_role("alert")
    expect(said).to_contain_text("There is no jobs/nowhere", timeout=MILLISECONDS)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
