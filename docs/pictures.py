"""python docs/pictures.py [methods] [recipes] [channels] [inversion] [attacks] [inspection]: make the pictures of the
documentation with a local cluster; all where none is named."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from convscope.client import Client, Unit
from convscope.client.cli.demo import MODEL, local_cluster, photographs
from convscope.client.cli.demo_collection import make_collection
from convscope.client.errors import FailedPrecondition
from convscope.client.methods import METHODS
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet

IMAGES = Path(__file__).parent / "images"
METHOD_WIDTH, MAP_WIDTH, SHEET_WIDTH = 240, 800, 1200
CLASS = "flamingo"
# A layer, and channels of it whose patches are shown.
PATCHES = ("blocks.6", (3, 11, 20, 31, 44))
UNITS = [Unit("blocks.0", 5), Unit("blocks.3", 3), Unit("blocks.6", 7), Unit("blocks.10", 3), Unit("blocks.14", 11)]


def methods(client: Client, server: str) -> None:
    for method in METHODS:
        try:
            answer = client.attribute(_photograph("chelsea"), model=MODEL, method=method, target="tabby")
        except FailedPrecondition as error:
            print(f"{method}: {error.message}")
            continue
        _keep(answer.overlay(), f"methods/{method}", METHOD_WIDTH)


def recipes(client: Client, server: str) -> None:
    sheet = IMAGES / "synthesis" / "recipes.png"
    command = [Path(sys.executable).with_name("convscope"), "recipe-table", CLASS, "--output", sheet]
    subprocess.run([*command, "--model", MODEL, "--server", server], check=True)
    _keep(Image.open(sheet), "synthesis/recipes", SHEET_WIDTH)
    sheet.unlink()


def channels(client: Client, server: str) -> None:
    _keep(client.visualize_channel(model=MODEL, unit=UNITS).result().contact_sheet(), "synthesis/channels", SHEET_WIDTH)


def inversion(client: Client, server: str) -> None:
    made = client.invert_features(_photograph("chelsea"), model=MODEL, all_layers=True).result()
    _keep(made.contact_sheet(), "synthesis/inversion", SHEET_WIDTH)


def attacks(client: Client, server: str) -> None:
    job = client.create_adversarial(_photograph("coffee"), model=MODEL, target=CLASS, confidence=0.9)
    _keep(job.result().contact_sheet(), "synthesis/attack", SHEET_WIDTH)
    job = client.create_adversarial(model=MODEL, target=CLASS, attack="ascent", confidence=0.99, steps=500)
    _keep(job.result().contact_sheet(), "synthesis/fooling", SHEET_WIDTH)


def inspection(client: Client, server: str) -> None:
    strongest = client.activations(_photograph("chelsea"), model=MODEL, layers="blocks.2", order="maximum", limit=24)
    _keep(strongest[0].grid(), "inspection/activations", SHEET_WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        collection = make_collection(
            client, photographs(), Path(folder), model=MODEL, layers=[PATCHES[0]], seconds=600, each=100
        )
    layer, channels = PATCHES
    rows = [
        [Tile(patch.crop, f"{patch.activation:.3g}") for patch in collection.find_patches(layer, channel) if patch.crop]
        for channel in channels
    ]
    _keep(contact_sheet(rows, cell=(112, 112)), "inspection/patches", SHEET_WIDTH)
    _keep(collection.compare_neighbors(_photograph("coffee")).sheet(), "inspection/neighbors", SHEET_WIDTH)
    _keep(collection.project().result().picture, "inspection/map", MAP_WIDTH)


def _photograph(stem: str) -> Path:
    return next(path for path in photographs() if path.stem == stem)


def _keep(picture: Image.Image, name: str, width: int) -> None:
    picture = picture.convert("RGB")
    picture.thumbnail((width, 4 * width), Image.Resampling.LANCZOS)
    picture.save(IMAGES / f"{name}.jpg", quality=85)


PICTURES: Mapping[str, Callable[[Client, str], None]] = {
    "methods": methods,
    "recipes": recipes,
    "channels": channels,
    "inversion": inversion,
    "attacks": attacks,
    "inspection": inspection,
}


def make(names: list[str]) -> None:
    for folder in ("synthesis", "inspection"):
        (IMAGES / folder).mkdir(exist_ok=True)
    with local_cluster() as cluster, Client.connect(cluster["server"], timeout=600) as client:
        for name in names or PICTURES:
            PICTURES[name](client, cluster["server"])


if __name__ == "__main__":
    make(sys.argv[1:])
