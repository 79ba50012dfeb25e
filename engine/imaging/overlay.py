"""A heatmap over the picture that it explains."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.imaging.colormap import DIVERGING, apply_colormap
from convscope.engine.imaging.heatmap import normalize

Box = tuple[float, float, float, float]
UNSEEN_BRIGHTNESS = 0.45
OPACITY = 0.7


@dataclass(frozen=True, eq=False)
class Shades:
    """A heatmap as it is drawn."""

    levels: NDArray[np.float32]
    """[H, W], 0 to 1: the place in the colour map."""
    strength: NDArray[np.float32]
    """[H, W], 0 to 1: how much of the colour is seen; the picture shows through where there is little to say."""
    diverging: bool
    """Whether there are negative values: red for and blue against."""


def shades(heatmap: NDArray[np.floating[Any]]) -> Shades:
    """How a signed heatmap [H, W] is drawn."""
    values = normalize(heatmap)
    diverging = bool((values < 0).any())
    levels = np.asarray((values + 1) / 2, np.float32) if diverging else values
    return Shades(levels, np.sqrt(np.abs(values)), diverging)


def overlay(
    picture: Image.Image,
    heatmap: NDArray[np.floating[Any]],
    region: Box,
    *,
    opacity: float = OPACITY,
    colormap: str = "turbo",
) -> Image.Image:
    """Draw a heatmap over a whole picture.

    picture: upright RGB. heatmap: [H, W], signed. region: (left, top, right, bottom) of the picture that the
    model saw; what lies outside is darkened. opacity: of the strongest places,
    0 to 1. Where the heatmap has negative values a diverging map is used, red for and blue against.
    """
    left, top, right, bottom = pixel_box(picture, region)
    shown = shades(heatmap)
    colors = apply_colormap(shown.levels, DIVERGING if shown.diverging else colormap)
    size = (right - left, bottom - top)
    drawing = Image.fromarray(colors).resize(size, Image.Resampling.BILINEAR)
    strength = Image.fromarray((255 * opacity * shown.strength).astype(np.uint8))
    whole = Image.fromarray((np.asarray(picture) * UNSEEN_BRIGHTNESS).astype(np.uint8))
    seen = picture.crop((left, top, right, bottom))
    whole.paste(Image.composite(drawing, seen, strength.resize(size, Image.Resampling.BILINEAR)), (left, top))
    return whole


def pixel_box(picture: Image.Image, region: Box) -> tuple[int, int, int, int]:
    """A region in whole pixels of its picture, at least one wide and high."""
    left, top = min(round(region[0]), picture.width - 1), min(round(region[1]), picture.height - 1)
    return left, top, max(left + 1, round(region[2])), max(top + 1, round(region[3]))
