"""Where the pictures of a contact sheet are."""

import numpy as np
from PIL import Image

from convscope.engine.imaging.contact_sheet import CAPTION_HEIGHT, MARGIN

CELL = (320, 214)
COLUMNS = 4


def size_of(tiles: int) -> tuple[int, int]:
    """Of the sheet of so many pictures, in rows of up to four."""
    columns = min(tiles, COLUMNS)
    rows = -(-tiles // COLUMNS)
    return MARGIN + columns * (CELL[0] + MARGIN), MARGIN + rows * (CELL[1] + CAPTION_HEIGHT + MARGIN)


def assert_holds(sheet: Image.Image, pictures: list[Image.Image]) -> None:
    """These pictures and no more, each shrunk into its cell, row by row."""
    assert (sheet.mode, sheet.size) == ("RGB", size_of(len(pictures)))
    for number, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail(CELL, Image.Resampling.LANCZOS)
        row, column = divmod(number, COLUMNS)
        left = MARGIN + column * (CELL[0] + MARGIN) + (CELL[0] - small.width) // 2
        top = MARGIN + row * (CELL[1] + CAPTION_HEIGHT + MARGIN) + CELL[1] - small.height
        found = sheet.crop((left, top, left + small.width, top + small.height))
        assert found.tobytes() == small.tobytes(), f"picture {number}"


def assert_same_sheet(found: Image.Image, expected: Image.Image) -> None:
    """The same drawing but for rounding."""
    assert (found.mode, found.size) == (expected.mode, expected.size)
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).max() <= 1
