"""A scene as a picture, and where in it each thing is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.engine.shapes.scene import SIDE, Scene, Thing
from convscope.engine.shapes.texture import texture
from convscope.engine.shapes.vocabulary import COLORS

FINER = 8
"""Times that an outline is drawn larger, for soft edges."""


@dataclass(frozen=True)
class Painting:
    """What is seen, and the truth about it."""

    image: Image.Image
    """RGB, SIDE x SIDE."""
    masks: NDArray[np.bool_]
    """[things, SIDE, SIDE]: the pixels that each thing covers by half or more."""


def paint(scene: Scene) -> Painting:
    """The same for the same scene."""
    canvas = texture(scene.texture, SIDE)
    masks = np.zeros((len(scene.things), SIDE, SIDE), bool)
    for thing, mask in zip(scene.things, masks, strict=True):
        place, cover = _cover(thing)
        canvas[place] += cover[:, :, None] * (np.array(COLORS[thing.color], np.float64) - canvas[place])
        mask[place] = cover >= 0.5
    return Painting(Image.fromarray(canvas.round().astype(np.uint8)), masks)


def _cover(thing: Thing) -> tuple[tuple[slice, slice], NDArray[np.float64]]:
    """Rows and columns around a thing, and the part of each of their pixels that it covers, 0 to 1."""
    left, top = int(thing.x - thing.radius) - 1, int(thing.y - thing.radius) - 1
    side = int(2 * thing.radius) + 4
    fine = Image.new("L", (FINER * side, FINER * side))
    draw = ImageDraw.Draw(fine)
    x, y, radius = FINER * (thing.x - left), FINER * (thing.y - top), FINER * thing.radius
    if thing.shape == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    else:
        draw.polygon([(x + radius * dx, y + radius * dy) for dx, dy in _corners(thing.shape)], fill=255)
    # A thing lies a pixel from the border at least, so that nothing begins before it.
    right, bottom = min(SIDE, left + side), min(SIDE, top + side)
    cover = np.asarray(fine.reduce(FINER), np.float64)[: bottom - top, : right - left] / 255
    return (slice(top, bottom), slice(left, right)), cover


def _corners(shape: str) -> list[tuple[float, float]]:
    """Of a polygon in the circle of radius 1, the first on top."""
    if shape == "star":
        turns = [(step / 10, 1.0 if step % 2 == 0 else 0.45) for step in range(10)]
    else:
        corners, first = (4, 0.125) if shape == "square" else (3, 0.0)
        turns = [(first + step / corners, 1.0) for step in range(corners)]
    return [(far * np.sin(2 * np.pi * turn), -far * np.cos(2 * np.pi * turn)) for turn, far in turns]
