"""From a click on the page to the overlay, beside the bare call of the SDK; and what the page weighs."""

import shutil
import statistics
import time
from typing import Any

from playwright.sync_api import Page, Response, sync_playwright

from convscope.client import Client
from convscope.client.cli.demo import MODEL, local_cluster
from convscope.web.subject import SAMPLES, sample

CLICKS, REST, AT_MOST = 40, 1000, 150
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Milliseconds from the click to the frame in which the heatmap stands.
CLICK = """name => new Promise(done => {
  const figures = document.querySelector(".figures");
  const begun = performance.now();
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => done(performance.now() - begun));
  }).observe(figures, { childList: true });
  document.querySelector(`[data-name=${name}]`).click();
})"""


def run() -> None:
    clicks, calls = [], []
    with (
        local_cluster(page=True) as cluster,
        Client.connect(cluster["server"]) as client,
        sync_playwright() as playwright,
    ):
        page = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS).new_page()
        weight = _load(page, cluster["page"])
        for turn in range(CLICKS):
            name = list(SAMPLES)[turn % len(SAMPLES)]
            clicks.append(float(page.evaluate(CLICK, name)))
            page.wait_for_timeout(REST)  # until the page has said to itself what there is to say
            calls.append(_call(client, str(sample(name))))
    click, call = statistics.median(clicks), statistics.median(calls)
    print("| click to overlay, median, ms | the SDK's call, ms | the page adds, ms | at most |\n|---|---|---|---|")
    print(f"| {click:.0f} | {call:.0f} | **{click - call:.0f}** | {AT_MOST} |\n")
    print("| first load | requests | KB over the wire | seconds |\n|---|---|---|---|")
    print(f"| | {weight[0]} | {weight[1] / 1024:.0f} | {weight[2]:.1f} |")


def _load(page: Page, address: str) -> tuple[int, int, float]:
    """Requests, bytes, seconds until a model is chosen."""
    answers: list[Response] = []

    def note(answer: Response) -> None:
        answers.append(answer)

    page.on("response", note)
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_function("name => document.querySelector('#model input')?.value === name", arg=MODEL)
    seconds = time.perf_counter() - started
    sizes = [_size(answer) for answer in answers if "/queue/" not in answer.url]
    return len(sizes), sum(sizes), seconds


def _size(answer: Response) -> int:
    sizes: Any = answer.request.sizes()
    return int(sizes["responseBodySize"] + sizes["responseHeadersSize"])


def _call(client: Client, path: str) -> float:
    """Milliseconds of what the page asks."""
    started = time.perf_counter()
    client.compare(path, ["grad_cam"], model=MODEL)
    return (time.perf_counter() - started) * 1000
