"""Small pictures of a collection: one for people, one to compare pixel by pixel."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Side of what people see; longer side, pixels.
SIDE = 96
# Sides of what is compared.
PIXELS = 32


def thumbnail(picture: Image.Image) -> bytes:
    """A small JPEG of a whole picture, in its proportions; a smaller picture stays as large as it is."""
    scale = min(1.0, SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = BytesIO()
    _shrunk(picture, size).save(file, "JPEG", quality=85)
    return file.getvalue()


def pixel_vector(picture: Image.Image) -> NDArray[np.uint8]:
    """[PIXELS * PIXELS * 3], row by row, red, green, blue, of a picture squeezed to a square."""
    return np.asarray(_shrunk(picture, (PIXELS, PIXELS)), np.uint8).reshape(-1)


def _shrunk(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    # Means of boxes, of which the first are whole pixels: a sixth of the time that a wide filter takes, for a picture
    # that nobody enlarges.
    return picture.resize(size, Image.Resampling.BOX, reducing_gap=1.5)
