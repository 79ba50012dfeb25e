"""A heatmap over the picture that it explains."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.imaging.colormap import DIVERGING, apply_colormap
from convscope.engine.imaging.heatmap import normalize

Box = tuple[float, float, float, float]
UNSEEN_BRIGHTNESS = 0.45
OPACITY = 0.7


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
    values = normalize(heatmap)
    if (values < 0).any():
        colors = apply_colormap((values + 1) / 2, DIVERGING)
    else:
        colors = apply_colormap(values, colormap)
    size = (right - left, bottom - top)
    drawing = Image.fromarray(colors).resize(size, Image.Resampling.BILINEAR)
    # The picture shows through where there is little to say.
    strength = Image.fromarray((255 * opacity * np.sqrt(np.abs(values))).astype(np.uint8))
    whole = Image.fromarray((np.asarray(picture) * UNSEEN_BRIGHTNESS).astype(np.uint8))
    seen = picture.crop((left, top, right, bottom))
    whole.paste(Image.composite(drawing, seen, strength.resize(size, Image.Resampling.BILINEAR)), (left, top))
    return whole


def pixel_box(picture: Image.Image, region: Box) -> tuple[int, int, int, int]:
    """A region in whole pixels of its picture, at least one wide and high."""
    left, top = min(round(region[0]), picture.width - 1), min(round(region[1]), picture.height - 1)
    return left, top, max(left + 1, round(region[2])), max(top + 1, round(region[3]))
