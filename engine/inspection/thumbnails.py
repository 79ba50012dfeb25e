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
    """A small JPEG of a whole picture, in its proportions."""
    small = picture.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def pixel_vector(picture: Image.Image) -> NDArray[np.uint8]:
    """[PIXELS * PIXELS * 3], row by row, red, green, blue, of a picture squeezed to a square."""
    squeezed = picture.resize((PIXELS, PIXELS), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(squeezed, np.uint8).reshape(-1)
