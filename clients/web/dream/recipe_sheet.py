"""One class by several recipes, on one sheet: a row for each paper, as the table of Olah et al. 2017 has them: its
variants side by side, what it adds, and natural pictures last."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from convscope.client import Recipe, Synthesis
from convscope.client.recipes import ADDITIONS
from convscope.engine.imaging.contact_sheet import FAINT, INK, MARGIN, PAPER
from convscope.web.dream.strips import natural_pictures

LARGEST = 256
"""Of a picture on the sheet, pixels: some recipes make larger ones than others."""
WHO, MARK, WORDS, HEAD = 280, 120, 44, 60
"""Widths of the column of papers and of one addition's; heights of the words below a picture and of the titles."""
NATURAL, NATURAL_COLUMNS = (LARGEST - MARGIN) // 2, 2
"""Sides of a natural picture, and how many stand side by side."""
NOTHING = "#d8d8d4"
"""In place of a picture that was not made."""
ADDITION_TITLES = tuple(one.replace("_", "\n").replace("ization", "isation") for one in ADDITIONS)


@dataclass(frozen=True)
class SheetEntry:
    """What came of a recipe."""

    recipe: str
    why: str = ""
    """Why nothing was made, in a few words."""
    made: Synthesis | None = None


def recipe_sheet(recipes: Sequence[Recipe], entries: Sequence[SheetEntry]) -> Image.Image:
    """Takes a while."""
    known = {recipe.name: recipe for recipe in recipes if recipe.purpose == "visualization"}
    rows: dict[tuple[str, str], list[SheetEntry]] = {}
    for one in entries:
        paper = known.get(one.recipe)
        rows.setdefault((paper.system, paper.source) if paper else (one.recipe, ""), []).append(one)
    drawn = [(who, [cell for one in row for cell in _cells(one)], row) for who, row in rows.items()]
    columns = max((len(cells) for _, cells, _ in drawn), default=1)
    marks = MARGIN + WHO + columns * (LARGEST + MARGIN)
    natural = next((found for one in entries if one.made for found in natural_pictures(one.made)[:1]), [])
    width = marks + len(ADDITIONS) * MARK + (NATURAL_COLUMNS * (NATURAL + MARGIN) + MARGIN if natural else 0)
    step = LARGEST + WORDS + MARGIN
    sheet = Image.new("RGB", (width, HEAD + len(drawn) * step + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, title in enumerate(ADDITION_TITLES):
        draw.multiline_text((marks + place * MARK, MARGIN), title, FAINT, ImageFont.load_default(15))
    for place, (who, cells, row) in enumerate(drawn):
        top = HEAD + place * step
        _heading(draw, who, top)
        for column, (picture, caption) in enumerate(cells):
            left = MARGIN + WHO + column * (LARGEST + MARGIN)
            sheet.paste(picture, (left, top))
            draw.text((left, top + LARGEST + 5), caption, INK, ImageFont.load_default(15))
        added = {addition for one in row if one.recipe in known for addition in known[one.recipe].additions}
        for column, addition in enumerate(ADDITIONS):
            if addition in added:
                _tick(draw, marks + column * MARK, top)
        for number, picture in enumerate(natural):
            down, across = divmod(number, NATURAL_COLUMNS)
            if down < NATURAL_COLUMNS:
                left = marks + len(ADDITIONS) * MARK + across * (NATURAL + MARGIN)
                sheet.paste(_small(picture, NATURAL), (left, top + down * (NATURAL + MARGIN)))
    return sheet


def _cells(entry: SheetEntry) -> list[tuple[Image.Image, str]]:
    if entry.made is None:
        nothing = Image.new("RGB", (LARGEST, LARGEST), NOTHING)
        ImageDraw.Draw(nothing).text((MARGIN, MARGIN), entry.why, FAINT, ImageFont.load_default(15))
        return [(nothing, entry.recipe)]
    return [
        (
            _small(picture, LARGEST),
            f"{entry.recipe or one.title}{f' {one.probability:.2f}' if one.target is not None else ''}",
        )
        for picture, one in zip(entry.made.images, entry.made.made, strict=True)
    ]


def _small(picture: Image.Image, side: int) -> Image.Image:
    """As large as all others; of one that is smaller its pixels are seen."""
    whole = -(-side // max(picture.size))
    larger = picture.resize((whole * picture.width, whole * picture.height), Image.Resampling.NEAREST)
    larger.thumbnail((side, side), Image.Resampling.LANCZOS)
    return larger


def _heading(draw: ImageDraw.ImageDraw, who: tuple[str, str], top: int) -> None:
    """Who, and what they called it."""
    system, source = who
    # Pillow's own font has no such letter.
    draw.text((MARGIN, top), system.replace("Ø", "O"), INK, ImageFont.load_default(18))
    words = "\n".join(textwrap.wrap(source, 32))
    draw.multiline_text((MARGIN, top + 28), words, FAINT, ImageFont.load_default(15))


def _tick(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    draw.line([(left, top + 10), (left + 7, top + 18), (left + 22, top)], INK, 3)
