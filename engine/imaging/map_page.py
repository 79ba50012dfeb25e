"""A map of pictures as a page to look around in: one HTML file that asks nobody for anything."""

import base64
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import BytesIO
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

CELL = 48
"""Side of a picture in the page, pixels."""
MOST_PICTURES = 4000
"""More would make the page too large; the points beyond are dots."""


def map_page(
    coordinates: NDArray[np.floating],
    picture: Callable[[int], Image.Image],
    *,
    title: str,
    names: Sequence[str],
    classes: Sequence[str],
) -> str:
    """coordinates: [n, 2], right and up. picture: that of a number. names, classes: of each point, for people."""
    shown = min(len(coordinates), MOST_PICTURES)
    columns = max(1, ceil(sqrt(shown)))
    data = {
        "title": title,
        "cell": CELL,
        "columns": columns,
        "shown": shown,
        "points": np.asarray(coordinates, np.float64).round(4).tolist(),
        "names": list(names),
        "classes": list(classes),
        "atlas": f"data:image/jpeg;base64,{base64.b64encode(_atlas(shown, columns, picture)).decode()}",
    }
    template = files("convscope.engine.imaging").joinpath("map_page.html").read_text(encoding="utf-8")
    # A name might end the script that it stands in.
    return template.replace("/*DATA*/null", json.dumps(data).replace("<", "\\u003c"))


def _atlas(count: int, columns: int, picture: Callable[[int], Image.Image]) -> bytes:
    """The pictures' middles, row by row in one JPEG."""
    sheet = Image.new("RGB", (columns * CELL, max(1, ceil(count / columns)) * CELL), "white")
    for number in range(count):
        small = ImageOps.fit(picture(number).convert("RGB"), (CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(small, (number % columns * CELL, number // columns * CELL))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=82)
    return file.getvalue()
