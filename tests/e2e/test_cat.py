"""The network says cat, and Grad-CAM points at the cat."""

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from convscope.client import Attribution, Client
from tests.clients.answers import class_of
from tests.e2e.local_cluster import MODEL

CATS = range(281, 286)
# Chelsea's face on the photograph, 451 x 300: from ear to ear, from the brow to the chin.
FACE = (35, 20, 365, 285)
SIDE = 240
HALVES = {
    "left": (0, SIDE // 2, SIDE, SIDE // 2 + SIDE),
    "right": (SIDE, SIDE // 2, 2 * SIDE, SIDE // 2 + SIDE),
    "top": (SIDE // 2, 0, SIDE // 2 + SIDE, SIDE),
    "bottom": (SIDE // 2, SIDE, SIDE // 2 + SIDE, 2 * SIDE),
}
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def test_the_top_class_is_a_cat_and_the_peak_lies_on_its_face(cluster_client: Client, cat: Image.Image) -> None:
    classes = cluster_client.classify(cat, model=MODEL)
    assert classes[0].index in CATS
    assert {281, 282, 285} <= {one.index for one in classes[:3]}, "tabby, tiger cat, Egyptian cat"
    answer = cluster_client.attribute(cat, model=MODEL, method="grad_cam")
    assert class_of(answer).index == classes[0].index
    assert lies_in(FACE, peak(answer))


@pytest.mark.parametrize("place", HALVES)
@pytest.mark.parametrize("cat_label", ["tabby", "Egyptian cat"])
def test_beside_a_cup_the_cat_is_found_where_it_is(
    cluster_client: Client, cat: Image.Image, place: str, cat_label: str
) -> None:
    """A peak in the middle of every picture would pass the test above."""
    with Image.open(Path(skimage.__file__).parent / "data" / "coffee.png") as coffee:
        cup = coffee.crop((100, 0, 500, 400))
    picture = Image.new("RGB", (2 * SIDE, 2 * SIDE), "gray")
    picture.paste(cat.crop((60, 0, 360, 300)).resize((SIDE, SIDE)), HALVES[place])
    picture.paste(cup.resize((SIDE, SIDE)), HALVES[OPPOSITE[place]])
    for label, where in ((cat_label, place), ("espresso", OPPOSITE[place])):
        answer = cluster_client.attribute(picture, model=MODEL, method="grad_cam", target=label)
        assert lies_in(grown(HALVES[where]), peak(answer)), f"{label} is {where}"


def peak(answer: Attribution) -> tuple[float, float]:
    """Where on the original the heatmap is highest: x, y."""
    row, column = np.unravel_index(answer.heatmap.argmax(), answer.heatmap.shape)
    left, top, right, bottom = answer.region
    height, width = answer.heatmap.shape
    return left + (column + 0.5) / width * (right - left), top + (row + 0.5) / height * (bottom - top)


def lies_in(box: tuple[float, float, float, float], point: tuple[float, float]) -> bool:
    left, top, right, bottom = box
    return left <= point[0] <= right and top <= point[1] <= bottom


def grown(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """By three pixels: a place of the layer that straddles the border counts for both sides."""
    left, top, right, bottom = box
    return left - 3, top - 3, right + 3, bottom + 3
