"""Where a person looked, as a picture: drawn from the places that were rubbed."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.web.attention.brush import RADIUS, SMOOTHING, STRENGTH

FINEST = 512
"""Of the grid that is drawn on, at most: a map is smooth, a photograph may be large."""


def sharpness(dabs: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """How sharp each place was made: 0 to 1, [h, w], a grid of the picture's shape with sides of FINEST at most.

    dabs: [n, 2], x and y in the picture's pixels; one beside it counts at its border. size: its width and height. A dab
    takes the part STRENGTH of what is still lacking in its middle, and less the farther out, as the browser paints it:
    the longer a place is rubbed, the sharper it is.
    """
    scale = min(1.0, FINEST / max(size))
    width, height = (max(1, round(scale * side)) for side in size)
    lacking = np.ones((height, width))
    reach = max(1.0, RADIUS * max(width, height))
    for x, y in np.clip(dabs, 0, size) * (width / size[0], height / size[1]):
        rows = slice(max(0, int(y - reach)), max(0, int(y + reach) + 2))
        columns = slice(max(0, int(x - reach)), max(0, int(x + reach) + 2))
        # A pixel is where its middle is.
        down = np.arange(height)[rows, None] + 0.5 - y
        across = np.arange(width)[None, columns] + 0.5 - x
        lacking[rows, columns] *= 1 - STRENGTH * np.clip(1 - np.hypot(down, across) / reach, 0, 1)
    return 1 - lacking


def attention_map(sharp: NDArray[np.float64], size: tuple[int, int]) -> Image.Image:
    """What is kept: grey, of the picture's size; smoothed with a Gaussian (Das et al. 2016), the brightest place white.

    sharp: what sharpness() gives of one dab or more.
    """
    height, width = sharp.shape
    sigma = SMOOTHING * max(sharp.shape)
    smooth = _gaussian(height, sigma) @ sharp @ _gaussian(width, sigma).T
    grid = Image.fromarray((smooth / smooth.max()).astype(np.float32))
    whole = np.asarray(grid.resize(size, Image.Resampling.BILINEAR))
    return Image.fromarray((255 * whole / whole.max()).round().astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    """The file."""
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _gaussian(length: int, sigma: float) -> NDArray[np.float64]:
    """A matrix that smooths what it is multiplied with, [length, length]. Each row adds up to 1: no border darkens."""
    places = np.arange(length)
    weights = np.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)
