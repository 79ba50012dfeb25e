"""What the channels of a layer answered to one picture, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convscope.engine.imaging.contact_sheet import INK, MARGIN, PAPER, TITLE_HEIGHT
from convscope.engine.imaging.tiles import (
    CaptionedGrid,
    Normalization,
    enlargement,
    framed,
    is_signed,
    levels,
    to_colors,
)

TILE = 64
PICTURE_SIDE = 320
"""The most pixels that the picture beside the grid is wide or high."""
_TITLE_SIZE = 18


def activation_grid(
    values: NDArray[np.floating[Any]],
    channels: Sequence[int] = (),
    *,
    picture: Image.Image | None = None,
    title: str = "",
    normalization: Normalization = "each",
    colormap: str = "gray",
    tile: int = TILE,
) -> Image.Image:
    """Draw the channels of an activation, [channels, height, width] or, without places, [channels].

    Every channel is a tile on a grid near to a square, with its number and its largest value above it. channels: their
    numbers; none: 0, 1, 2 ... picture: at the left of the grid, made smaller where it needs to be. title: above all.
    normalization: "each" channel from its own smallest value to its largest, or all in "common"; in coolwarm zero is
    pale, red above and blue below. A channel that has one value everywhere, dead or without places, has the level that
    this value has among those of all channels; what is not finite is magenta. tile: about how many pixels a tile is
    wide, a whole number for each place, at least one.

    Raises InvalidInput (DRAWING_TOO_LARGE, field `drawing`) over 4096 x 4096 pixels; KeyError for an unknown map.
    """
    maps = values.reshape(len(values), -1, values.shape[-1] if values.ndim > 1 else 1)
    numbers = list(channels) or range(len(maps))
    largest = maps.max(axis=(1, 2))
    captions = [(str(number), _short(float(value))) for number, value in zip(numbers, largest, strict=True)]
    shown_picture = _smaller(picture) if picture else None
    left = shown_picture.width + 2 * MARGIN if shown_picture else 0
    top = TITLE_HEIGHT if title else 0
    _, height, width = maps.shape
    beside = (left + 2 * MARGIN, top + 2 * MARGIN)
    grid = CaptionedGrid((height, width), enlargement(height, width, tile), captions, fewer="channels", beside=beside)
    shown = levels(maps, normalization, even=None, symmetric=is_signed(colormap))
    drawing = grid.draw(to_colors(shown, colormap))
    if shown_picture is None and not title:
        return framed(drawing)
    font = ImageFont.load_default(_TITLE_SIZE)
    body = max(drawing.height, shown_picture.height if shown_picture else 0)
    sheet = Image.new("RGB", (max(left + drawing.width, round(font.getlength(title))), top + body), PAPER)
    ImageDraw.Draw(sheet).text((0, 0), title, INK, font)
    if shown_picture:
        sheet.paste(shown_picture, (0, top))
    sheet.paste(drawing, (left, top))
    return framed(sheet)


def _short(value: float) -> str:
    """As few digits as tell one channel from another; of a zero one, so that a dead channel is seen to be that."""
    size = abs(value)
    if not size:
        return "0"
    if not 0.01 <= size < 1e5:
        return f"{value:.0e}"
    return f"{value:.{2 if size < 10 else 1 if size < 100 else 0}f}"


def _smaller(picture: Image.Image) -> Image.Image:
    smaller = picture.copy()
    smaller.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    return smaller
