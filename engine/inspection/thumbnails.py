"""Small pictures of a collection: one for people, one to compare pixel by pixel."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Side of what people see; longer side, pixels.
SIDE = 96
# Sides of what is compared.
PIXELS = 32


def shrink(picture: Image.Image) -> Image.Image:
    """A whole picture in its proportions, at most SIDE pixels long; a smaller one stays as large as it is."""
    scale = min(1.0, SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    # Means of boxes, of which the first are whole pixels: a sixth of the time that a wide filter takes, for a picture
    # that nobody enlarges.
    return picture.resize(size, Image.Resampling.BOX, reducing_gap=1.5)


def thumbnail(small: Image.Image) -> bytes:
    """What shrink() gave, as a JPEG."""
    file = BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def pixel_vector(small: Image.Image) -> NDArray[np.uint8]:
    """[PIXELS * PIXELS * 3], row by row, red, green, blue, of what shrink() gave, squeezed to a square."""
    return np.asarray(small.resize((PIXELS, PIXELS), Image.Resampling.BOX), np.uint8).reshape(-1)
