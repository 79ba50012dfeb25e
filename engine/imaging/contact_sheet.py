"""Several pictures on one, in labelled rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

MARGIN = 12
TITLE_HEIGHT = 34
CAPTION_HEIGHT = 44
CELL = (320, 214)
"""Width and height that a picture may have, pixels."""
INK = "#1d232b"
FAINT = "#5a6572"
PAPER = "#fbfbf9"


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, with up to two lines below it."""

    picture: Image.Image
    caption: str = ""
    note: str = ""


def contact_sheet(
    rows: Sequence[Sequence[Tile]], titles: Sequence[str] = (), *, cell: tuple[int, int] = CELL, captions: bool = True
) -> Image.Image:
    """Lay tiles out in rows; each picture keeps its shape within a cell of `cell` (width, height) pixels.

    titles: one for each column, above it; none: no line of titles. captions: whether there is room for what tiles say.
    """
    width, height = cell
    columns = max((len(row) for row in rows), default=0)
    head = TITLE_HEIGHT if titles else 0
    step_x, step_y = pitch(cell, captions=captions)
    sheet = Image.new("RGB", (columns * step_x + MARGIN, head + len(rows) * step_y + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    title_font, caption_font, note_font = (ImageFont.load_default(size) for size in (18, 15, 13))
    for column, title in enumerate(titles):
        draw.text((MARGIN + column * step_x, MARGIN), title, INK, title_font)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            left, top = MARGIN + column * step_x, head + MARGIN + row * step_y
            picture = tile.picture.copy()
            picture.thumbnail(cell, Image.Resampling.LANCZOS)
            sheet.paste(picture, (left + (width - picture.width) // 2, top + height - picture.height))
            draw.text((left, top + height + 5), tile.caption, INK, caption_font)
            draw.text((left, top + height + 24), tile.note, FAINT, note_font)
    return sheet


def pitch(cell: tuple[int, int], *, captions: bool) -> tuple[int, int]:
    """From one tile to the next and from one row to the next, pixels."""
    return cell[0] + MARGIN, cell[1] + (CAPTION_HEIGHT if captions else 0) + MARGIN
