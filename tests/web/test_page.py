"""The page as a whole: small screens, other hosts, a cluster that goes and comes."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from convscope.client import Client
from tests.e2e.local_cluster import Addresses
from tests.processes import ServerProcess, free_port, serving
from tests.web.served import WebProcess


def test_no_request_leaves_for_another_host(cluster: Addresses, visitor: Callable[..., Page]) -> None:
    page = visitor(cluster.page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    for tab in page.get_by_role("tab").all():
        tab.click()
    page.get_by_role("tab", name="Explain").click()
    page.get_by_role("button", name="A cat").click()
    expect(page.locator("#said input")).to_have_count(5)
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(cluster.page).netloc}


def test_the_browser_is_told_to_ask_nobody_else(cluster: Addresses) -> None:
    with urlopen(cluster.page) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_telephone_shows_everything_without_scrolling_sideways(
    cluster: Addresses, visitor: Callable[..., Page], dark: bool
) -> None:
    page = visitor(cluster.page, width=360, height=800, dark=dark)
    page.get_by_role("button", name="A cat").click()
    canvas = page.locator("figure canvas").first
    expect(canvas).to_be_visible()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != (
        "rgb(255, 255, 255)" if dark else "rgb(0, 0, 0)"
    )


def test_everything_that_can_be_used_has_a_name(page: Page) -> None:
    page.get_by_role("button", name="A cat").click()
    expect(page.locator("figure canvas").first).to_be_visible()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input:not([type=file]), button, select, textarea, canvas")]
            .filter((one) => one.offsetParent !== null)
            .filter((one) => !(one.ariaLabel || one.title || one.alt || one.innerText || one.labels?.[0]?.innerText
                || one.closest("label")?.innerText || one.querySelector("img")?.alt))
            .map((one) => one.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_small_print_stands_out_from_what_is_behind_it(
    cluster: Addresses, visitor: Callable[..., Page], dark: bool
) -> None:
    page = visitor(cluster.page, dark=dark)
    page.get_by_role("button", name="A cat").click()
    expect(page.locator("figcaption .note").first).to_be_visible()
    for words in (".masthead p", "figcaption .note", "figcaption .target", "#samples p"):
        color, behind = page.locator(words).first.evaluate(
            """(element) => {
                const behind = (one) => getComputedStyle(one).backgroundColor;
                let under = element;
                while (under.parentElement && behind(under) === "rgba(0, 0, 0, 0)") under = under.parentElement;
                return [getComputedStyle(element).color, behind(under)];
            }"""
        )
        assert contrast(color, behind) >= 4.5, (words, color, behind)  # WCAG 2.2, level AA


def contrast(*colors: str) -> float:
    """Of two colours as browsers write them, rgb(1, 2, 3): 1 to 21, as WCAG defines it."""
    lights = []
    for color in colors:
        parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(lights) / min(lights)


def test_by_keyboard_alone(page: Page) -> None:
    sample = page.get_by_role("button", name="A cat")
    sample.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said input").first).to_be_checked()
    page.locator("#said input").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#said input").nth(1)).to_be_checked()
    second = page.locator("#said label").nth(1).inner_text()
    expect(page.locator("figure").first).to_contain_text(second)


def test_a_cluster_that_is_away_is_said_and_the_page_goes_on_when_it_is_back(
    catalogue: Path, visitor: Callable[..., Page]
) -> None:
    port = free_port()
    with WebProcess(server=f"127.0.0.1:{port}") as web:
        page = visitor(web.page)
        expect(page.get_by_role("alert")).to_contain_text(f"127.0.0.1:{port}")
        settings = {"port": port, "catalogue": catalogue, "models": "efficientnet_lite0"}
        for _ in range(2):
            server = ServerProcess(**settings)
            try:
                server.wait_until_serving()
                expect(page.get_by_role("alert")).to_have_count(0)
                expect(page.get_by_label("Model")).to_have_value("efficientnet_lite0")
                page.get_by_role("button", name="A cat").click()
                expect(page.locator("#said input")).to_have_count(5)
            finally:
                server.stop()
            expect(page.get_by_role("alert")).to_contain_text("No convscope cluster answers")


def test_the_page_brings_its_token_and_says_when_it_is_wrong(catalogue: Path, visitor: Callable[..., Page]) -> None:
    settings = {"catalogue": catalogue, "models": "efficientnet_lite0", "token": "open sesame"}
    with serving(**settings) as server:
        with WebProcess("--server", server.address, token="open sesame") as web:
            page = visitor(web.page)
            page.get_by_role("button", name="A cat").click()
            expect(page.locator("#said input")).to_have_count(5)
        with WebProcess("--server", server.address, token="open barley") as web:
            page = visitor(web.page)
            expect(page.get_by_role("alert")).to_contain_text("The call brings no valid token")


def test_a_second_copy_of_the_page_shows_the_same_job(cluster: Addresses, visitor: Callable[..., Page]) -> None:
    with Client.connect(cluster.server) as client:
        job = client.visualize_class(model="efficientnet_lite0", target="tabby", steps=4, size=64)
        job.wait()
    with WebProcess("--server", cluster.server) as web:
        for address in (cluster.page, web.page):
            page = visitor(f"{address}/?job={job.name.removeprefix('jobs/')}")
            expect(page.get_by_text("succeeded").first).to_be_visible()
