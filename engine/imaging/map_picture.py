"""A map of pictures: each small on the place that it has on a grid."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from convscope.engine.imaging.contact_sheet import PAPER

CELL = 48
"""Side of a cell, pixels."""


def map_picture(grid: NDArray[np.int64], picture: Callable[[int], Image.Image], *, cell: int = CELL) -> Image.Image:
    """grid: [rows, columns], the number of the picture in each cell, -1 for none. picture: that of a number; its middle
    is shown."""
    rows, columns = grid.shape
    sheet = Image.new("RGB", (max(1, columns) * cell, max(1, rows) * cell), PAPER)
    for (row, column), number in np.ndenumerate(grid):
        if number >= 0:
            small = ImageOps.fit(picture(int(number)).convert("RGB"), (cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * cell, row * cell))
    return sheet
