"""Pictures in rows on one sheet that has room for the words below them."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from PIL import Image as PillowImage
from PIL import ImageFont

from convscope.engine.imaging.contact_sheet import PAPER, Tile, contact_sheet

# As contact_sheet() writes them.
CAPTION_SIZE, NOTE_SIZE = 15, 13
# A line of words makes its cell as wide.
LONGEST_WORDS = 24


def sheet_of(rows: Sequence[Sequence[Tile]], *, largest: int | None = None) -> PillowImage.Image:
    """Each picture in its own size, its cell as wide as its words need.

    largest: a picture with a longer side is shrunk to about that many pixels; None: none is.
    """
    tiles = [tile for row in rows for tile in row]
    caption, note = (ImageFont.load_default(size) for size in (CAPTION_SIZE, NOTE_SIZE))
    words = [max(caption.getlength(tile.caption), note.getlength(tile.note)) for tile in tiles]
    width, height = (
        max((min(side, largest or side) for side in sides), default=1)
        for sides in ([tile.picture.width for tile in tiles], [tile.picture.height for tile in tiles])
    )
    cell = (max(width, *map(ceil, words), 1), height)
    return contact_sheet([[_from_the_left(tile, cell) for tile in row] for row in rows], cell=cell)


def in_rows(tiles: Sequence[Tile], columns: int) -> list[Sequence[Tile]]:
    """Row by row, the last one perhaps shorter."""
    return [tiles[start : start + columns] for start in range(0, len(tiles), columns)]


def shortened(words: str) -> str:
    """A line for a tile of what may be of any length, such as a file's name, whose end tells more than its middle."""
    line = " ".join(words.split())
    half = LONGEST_WORDS // 2
    return line if len(line) <= LONGEST_WORDS else f"{line[: half - 2]}...{line[-half + 1 :]}"


def _from_the_left(tile: Tile, cell: tuple[int, int]) -> Tile:
    """With its picture above the beginning of its words, and not above their middle."""
    picture = tile.picture.copy()
    picture.thumbnail(cell, PillowImage.Resampling.LANCZOS)
    whole = PillowImage.new("RGB", (cell[0], picture.height), PAPER)
    whole.paste(picture)
    return replace(tile, picture=whole)
