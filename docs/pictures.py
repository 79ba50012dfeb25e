"""python docs/pictures.py [methods] [recipes] [channels] [inversion] [attacks] [inspection] [words] [evaluation] [page]

Makes the pictures of the documentation with a local cluster; all where none is named.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from convscope.client import Answer, Client, Unit
from convscope.client.cli.demo import MODEL, local_cluster, photographs
from convscope.client.cli.demo_collection import make_collection
from convscope.client.errors import FailedPrecondition
from convscope.client.methods import METHODS
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet
from convscope.web.subject import sample

IMAGES = Path(__file__).parent / "images"
BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
METHOD_WIDTH, MAP_WIDTH, SHEET_WIDTH = 240, 800, 1200
CLASS = "flamingo"
# About the made scene.
QUESTIONS = (
    "what color is the triangle",
    "what shape is the blue thing",
    "how many squares are there",
    "is there a red star",
)
# Measured of the small world's questions.
EXAMPLES, MEASURED = 60, ("grad_cam", "guided_grad_cam", "guided_backprop", "gradient")
# A layer, and channels of it whose patches are shown.
SHAPES = ["red circle", "green square", "blue triangle", "yellow star", "purple circle", "white star"]
CLASSES = ["flamingo", "tabby", "espresso", "daisy"]
PATCHES = ("blocks.6", (3, 11, 20, 31, 44))
UNITS = [Unit("blocks.0", 5), Unit("blocks.3", 3), Unit("blocks.6", 7), Unit("blocks.10", 3), Unit("blocks.14", 11)]


def methods(client: Client, addresses: Mapping[str, str]) -> None:
    for method in METHODS:
        try:
            answer = client.attribute(_photograph("chelsea"), model=MODEL, method=method, target="tabby")
        except FailedPrecondition as error:
            print(f"{method}: {error.message}")
            continue
        _keep(answer.overlay(), f"methods/{method}", METHOD_WIDTH)


def recipes(client: Client, addresses: Mapping[str, str]) -> None:
    sheet = IMAGES / "synthesis" / "recipes.png"
    command = [Path(sys.executable).with_name("convscope"), "recipe-table", CLASS, "--output", sheet]
    subprocess.run([*command, "--model", MODEL, "--server", addresses["server"]], check=True)
    _keep(Image.open(sheet), "synthesis/recipes", SHEET_WIDTH)
    sheet.unlink()


def channels(client: Client, addresses: Mapping[str, str]) -> None:
    _keep(client.visualize_channel(model=MODEL, unit=UNITS).result().contact_sheet(), "synthesis/channels", SHEET_WIDTH)


def inversion(client: Client, addresses: Mapping[str, str]) -> None:
    made = client.invert_features(_photograph("chelsea"), model=MODEL, all_layers=True).result()
    _keep(made.contact_sheet(), "synthesis/inversion", SHEET_WIDTH)


def attacks(client: Client, addresses: Mapping[str, str]) -> None:
    job = client.create_adversarial(_photograph("coffee"), model=MODEL, target=CLASS, confidence=0.9)
    _keep(job.result().contact_sheet(), "synthesis/attack", SHEET_WIDTH)
    job = client.create_adversarial(model=MODEL, target=CLASS, attack="ascent", confidence=0.99, steps=500)
    _keep(job.result().contact_sheet(), "synthesis/fooling", SHEET_WIDTH)


def priors(client: Client, addresses: Mapping[str, str]) -> None:
    for model, targets in (("shapes_classifier", SHAPES), (MODEL, CLASSES)):
        client.load_model(model)
        made = client.visualize_class(model=model, target=targets, recipe="nguyen2016_ppgn", prior=model).result()
        _keep(made.contact_sheet(), f"synthesis/{model}-nguyen2016_ppgn", SHEET_WIDTH)
        _keep(made.chain, f"synthesis/{model}-chain", SHEET_WIDTH)
    made = client.visualize_class(model=MODEL, target=CLASSES, recipe="nguyen2016_dgn", prior=MODEL).result()
    _keep(made.contact_sheet(), f"synthesis/{MODEL}-nguyen2016_dgn", SHEET_WIDTH)


def inspection(client: Client, addresses: Mapping[str, str]) -> None:
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


def words(client: Client, addresses: Mapping[str, str]) -> None:
    scene = sample("scene")
    assert scene is not None
    client.load_model("shapes_captioner")
    explained = client.attribute_caption(scene, model="shapes_captioner")
    _keep(explained.contact_sheet(), "words/caption", SHEET_WIDTH)
    client.load_model("shapes_vqa")
    tiles = []
    for question in QUESTIONS:
        why = client.attribute(scene, model="shapes_vqa", method="grad_cam", target=Answer(question))
        tiles.append(Tile(why.overlay(), f"{question}?", str(why)))
    _keep(contact_sheet([tiles]), "words/answers", SHEET_WIDTH)


def evaluation(client: Client, addresses: Mapping[str, str]) -> None:
    client.load_model("shapes_vqa")
    collection = client.create_collection("Questions about shapes")
    collection.import_shapes("vqa", EXAMPLES).result()
    report = collection.evaluate_methods(model="shapes_vqa", methods=MEASURED).result()
    with _browser() as browser:
        shown = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1.5)
        shown.set_content(report.page)
        # Down to its pictures, which come only when somebody scrolls to them.
        above = shown.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": 2240})
        _keep(Image.open(BytesIO(above)), "evaluation/report", SHEET_WIDTH)
        shown.goto(f"{addresses['page']}/?tab=where-people-look")
        canvas = shown.locator("#rubbing canvas")
        expect(canvas).to_be_visible(timeout=60_000)
        _rub(shown, canvas)
        _keep(Image.open(BytesIO(shown.screenshot())), "evaluation/rubbing", SHEET_WIDTH)


def _rub(shown: Page, canvas: Locator) -> None:
    """Across the middle."""
    box = canvas.bounding_box()
    assert box is not None
    shown.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6, steps=40)
    shown.mouse.up()
    shown.wait_for_timeout(500)


def page(client: Client, addresses: Mapping[str, str]) -> None:
    dream = client.deep_dream(_photograph("china"), model=MODEL)
    with _browser() as browser:
        shown = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1.5)
        shown.goto(addresses["page"])
        for method in ("Guided Grad-CAM", "Occlusion", "Segmentation"):
            shown.get_by_label("Methods, side by side").click()
            shown.get_by_role("option", name=method, exact=True).click()
        shown.keyboard.press("Escape")
        shown.get_by_role("button", name="A cat").click()
        expect(shown.locator("#tabs figure")).to_have_count(4, timeout=60_000)
        _shoot(shown, "explain")
        shown.get_by_role("tab", name="Look inside").click()
        expect(shown.get_by_role("button", name="Channel").first).to_be_visible(timeout=60_000)
        _shoot(shown, "look_inside")
        dream.wait()
        shown.goto(f"{addresses['page']}/?job={dream.name.removeprefix('jobs/')}")
        expect(shown.get_by_text("succeeded").first).to_be_visible(timeout=60_000)
        expect(shown.get_by_role("button", name="PNG").first).to_be_visible(timeout=60_000)
        _shoot(shown, "dream")


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        yield browser
        browser.close()


def _shoot(shown: Page, name: str) -> None:
    """What stands in the window, once it has come to rest."""
    shown.wait_for_timeout(2000)
    _keep(Image.open(BytesIO(shown.screenshot())), f"web/{name}", SHEET_WIDTH)


def _photograph(stem: str) -> Path:
    return next(path for path in photographs() if path.stem == stem)


def _keep(picture: Image.Image, name: str, width: int) -> None:
    picture = picture.convert("RGB")
    picture.thumbnail((width, 4 * width), Image.Resampling.LANCZOS)
    picture.save(IMAGES / f"{name}.jpg", quality=85)


PICTURES: Mapping[str, Callable[[Client, Mapping[str, str]], None]] = {
    "methods": methods,
    "recipes": recipes,
    "channels": channels,
    "inversion": inversion,
    "attacks": attacks,
    "priors": priors,
    "inspection": inspection,
    "words": words,
    "evaluation": evaluation,
    "page": page,
}


def make(names: list[str]) -> None:
    for folder in ("synthesis", "inspection", "words", "evaluation", "web"):
        (IMAGES / folder).mkdir(exist_ok=True)
    with local_cluster(page=True) as cluster, Client.connect(cluster["server"], timeout=600) as client:
        for name in names or PICTURES:
            PICTURES[name](client, cluster)


if __name__ == "__main__":
    make(sys.argv[1:])
