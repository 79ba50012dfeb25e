"""A cluster with its page, and a browser to look at it."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from convscope.client import Client
from convscope.web.subject import sample
from tests.e2e.local_cluster import Addresses, local_cluster

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MILLISECONDS = 30_000
# Gradio catches what a component's script throws, and says it to the console.
SCRIPT_FAILED = "Error in watch callback"


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Where a cluster is that is up, its page included; for the tests that leave it as it was."""
    with local_cluster(tmp_path_factory.mktemp("cluster") / "data") as running:
        yield running.wait_until_up()


@pytest.fixture
def client(cluster: Addresses) -> Iterator[Client]:
    with Client.connect(cluster.server) as client:
        yield client


@pytest.fixture
def cat() -> str:
    """Path of the first sample."""
    path = sample("cat")
    assert path is not None
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone when a file's tests are done: while it is there, its event loop counts as running in this thread."""
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page as a new visitor, who shares nothing with the others: visitor(address, width=360, dark=True). What
    the browser reports as an error fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def visit(address: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if SCRIPT_FAILED in message.text else None)
        page.goto(address)
        page.get_by_role("tab", name="Explain").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not faults, faults


@pytest.fixture
def page(cluster: Addresses, visitor: Callable[..., Page]) -> Page:
    """The page as one visitor has just opened it."""
    opened = visitor(cluster.page)
    assert isinstance(opened, Page)
    return opened
