"""Every word of a caption in one call, against a call for each word."""

import statistics
import time
from collections.abc import Callable
from io import BytesIO

from benchmarks.server_process import measured_server
from convscope.client import Client, Word
from convscope.engine.shapes.dataset import ShapesDataset

MODEL = "shapes_captioner"
METHODS = ("grad_cam", "guided_grad_cam", "saliency")
PICTURES, TURNS = 8, 5
AT_MOST = 0.5


def run() -> None:
    print(f"| every word of a caption, {MODEL} | a call a word, ms | one call, ms | ratio | at most |")
    print("|---|---|---|---|---|")
    world = ShapesDataset(PICTURES, task="caption", seed=1)
    pictures = [(_file(world, place), str(world.target(place))) for place in range(PICTURES)]
    with measured_server(models=MODEL) as server, Client.connect(server.address) as client:
        for method in METHODS:

            def one_by_one(method: str = method) -> None:
                for picture, text in pictures:
                    for place in range(len(text.split())):
                        client.attribute(picture, model=MODEL, method=method, target=Word(place, text))

            def together(method: str = method) -> None:
                for picture, text in pictures:
                    client.attribute_caption(picture, text, model=MODEL, method=method)

            turns = [(_seconds(one_by_one), _seconds(together)) for _ in range(TURNS)]
            each, all_ = (1000 * statistics.median(times) / PICTURES for times in zip(*turns, strict=True))
            print(f"| {method} | {each:.1f} | {all_:.1f} | **{all_ / each:.2f}** | {AT_MOST} |")


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _file(world: ShapesDataset, place: int) -> bytes:
    data = BytesIO()
    world.painting(place).image.save(data, "PNG")
    return data.getvalue()
