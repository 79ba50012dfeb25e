"""Several explanations of one picture, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from convscope.engine.imaging.contact_sheet import CELL, Tile, contact_sheet

COLUMNS = 4


@dataclass(frozen=True)
class Panel:
    """One explanation, drawn over the picture."""

    drawing: Image.Image
    method: str
    layer: str
    """The layer that the method looked at; empty for none."""
    target: str
    """What is explained, in words."""
    role: str = ""
    """What it is on the sheet, such as "truth"; empty for nothing in particular."""


def comparison_sheet(picture: Image.Image, title: str, panels: Sequence[Panel]) -> Image.Image:
    """The picture, under it `title`, then every explanation with what it is for; rows of up to four."""
    tiles = [Tile(picture, title)]
    for panel in panels:
        how = f"{panel.method}, {panel.layer}" if panel.layer else panel.method
        caption = f"{panel.role}: {panel.target}" if panel.role else panel.target
        tiles.append(Tile(panel.drawing, caption, how))
    columns = min(COLUMNS, len(tiles))
    return contact_sheet([tiles[start : start + columns] for start in range(0, len(tiles), columns)])


def sentence_sheet(picture: Image.Image, sentence: str, words: Sequence[Tile]) -> Image.Image:
    """The picture, under it `sentence`, then its words, each under its map; rows of up to four. Small pictures are
    shown several times as large."""
    tiles = [Tile(picture, sentence), *words]
    tiles = [replace(tile, picture=_enlarged(tile.picture)) for tile in tiles]
    columns = min(COLUMNS, len(tiles))
    return contact_sheet([tiles[start : start + columns] for start in range(0, len(tiles), columns)])


def _enlarged(picture: Image.Image) -> Image.Image:
    times = max(1, min(CELL[0] // picture.width, CELL[1] // picture.height))
    return picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)
