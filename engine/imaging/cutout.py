"""A mask over the picture that it was cut out of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from convscope.engine.imaging.overlay import Box, pixel_box

OUTSIDE_BRIGHTNESS = 0.3
INK = "#ff2bd6"


def cutout(picture: Image.Image, mask: NDArray[np.floating[Any]], region: Box) -> Image.Image:
    """Show what a mask keeps, with its outline; the rest is darkened.

    picture: upright RGB. mask: [H, W] of 0 and 1. region: (left, top, right, bottom) of the picture that the mask
    stands for.
    """
    left, top, right, bottom = pixel_box(picture, region)
    small = Image.fromarray((np.asarray(mask) > 0.5).astype(np.uint8) * 255)
    kept = Image.new("L", picture.size)
    kept.paste(small.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
    kept = kept.point(lambda value: 255 * (value > 127))
    dark = picture.point(lambda value: int(value * OUTSIDE_BRIGHTNESS))
    drawing = Image.composite(picture, dark, kept)
    # A few pixels wide on a picture of any size; a blur takes as long for a wide line as for a thin one.
    width = max(1, min(picture.size) // 150)
    near = kept.filter(ImageFilter.BoxBlur(width)).point(lambda value: 255 * (value > 0))
    drawing.paste(INK, mask=ImageChops.subtract(near, kept))
    return drawing
