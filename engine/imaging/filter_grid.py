"""The filters of a convolution, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.engine.imaging.contact_sheet import INK, MARGIN, PAPER
from convscope.engine.imaging.tiles import (
    BASELINE,
    GAP,
    LABEL_HEIGHT,
    LABEL_SIZE,
    MAX_SIDE,
    CaptionedGrid,
    Normalization,
    check_size,
    enlargement,
    framed,
    is_signed,
    label_font,
    label_width,
    levels,
    mosaic,
    to_colors,
)

TILE = 40
_FEWER = "outputs or inputs"
_EVEN = 0.5


def filter_grid(
    weights: NDArray[np.floating[Any]],
    outputs: Sequence[int] = (),
    inputs: Sequence[int] = (),
    *,
    normalization: Normalization = "each",
    colormap: str = "gray",
    tile: int = TILE,
    rgb: bool = True,
) -> Image.Image:
    """Draw the weights [filters, channels, height, width] of a convolution.

    Of three channels every filter is an RGB tile, of one channel a tile in `colormap`, on a grid near to a square. Of
    any other number every filter is a row, with a tile for each input channel.

    outputs: the numbers of the filters, written above their tiles or at the left of their rows. inputs: those of the
    input channels, above the columns. None: nothing is written. Where tiles are smaller than numbers, only some are.
    normalization: "each" filter by its own smallest and largest weight, of all its channels together, or all in
    "common". colormap: not of RGB tiles; in coolwarm zero is pale, red above and blue below. A filter whose weights are
    all the same has the colour of the middle; what is not finite is magenta. tile: about how many pixels a tile is
    wide; a weight has a whole number of them. rgb: whether three channels, without numbers or 0, 1 and 2, are red,
    green and blue.

    Raises InvalidInput (DRAWING_TOO_LARGE, field `drawing`) over 4096 x 4096 pixels; KeyError for an unknown map.
    """
    count, channels, height, width = weights.shape
    if len(outputs) not in (0, count) or len(inputs) not in (0, channels):
        message = f"{count} filters of {channels} channels, but {len(outputs)} and {len(inputs)} numbers of them"
        raise ValueError(message)
    scale = enlargement(height, width, tile)
    colored = rgb and channels == 3 and list(inputs or range(3)) == [0, 1, 2]
    if not colored and channels != 1:
        return _rows(weights, outputs, inputs, normalization=normalization, colormap=colormap, scale=scale)
    captions = [(str(number), "") for number in outputs] or [("", "")] * count
    grid = CaptionedGrid((height, width), scale, captions, fewer=_FEWER, beside=(2 * MARGIN, 2 * MARGIN))
    if colored:
        tiles = _rgb(levels(weights, normalization, even=_EVEN))
    else:
        tiles = to_colors(levels(weights, normalization, even=_EVEN, symmetric=is_signed(colormap))[:, 0], colormap)
    return framed(grid.draw(tiles))


def _rgb(shown: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Levels [N, 3, h, w] to RGB [N, h, w, 3]."""
    colors = np.stack([to_colors(shown[:, channel], "gray")[..., 0] for channel in range(3)], axis=-1)
    broken = np.isnan(shown).any(axis=1)
    colors[broken] = to_colors(np.full(1, np.nan), "gray")
    return colors


def _rows(
    weights: NDArray[np.floating[Any]],
    outputs: Sequence[int],
    inputs: Sequence[int],
    *,
    normalization: Normalization,
    colormap: str,
    scale: int,
) -> Image.Image:
    """A row for each filter."""
    count, channels, height, width = weights.shape
    rows, columns = [list(map(str, numbers)) for numbers in (outputs, inputs)]
    left = label_width(rows) + LABEL_SIZE // 2 if rows else 0
    top = LABEL_HEIGHT if columns else 0
    # Tiles of many channels are smaller than asked for, rather than refused.
    room_x, room_y = (MAX_SIDE - 2 * MARGIN - side for side in (left, top))
    most = min((room_x // channels - GAP) // width, (room_y // count - GAP) // height)
    scale = max(1, min(scale, most))
    step_x, step_y = width * scale + GAP, height * scale + GAP
    size = (left + channels * step_x - GAP, top + count * step_y - GAP)
    check_size(size[0] + 2 * MARGIN, size[1] + 2 * MARGIN, _FEWER)
    shown = levels(weights, normalization, even=_EVEN, symmetric=is_signed(colormap))
    tiles = to_colors(shown.reshape(-1, height, width), colormap)
    drawing = Image.new("RGB", size, PAPER)
    drawing.paste(mosaic(tiles, channels, scale, (step_x, step_y), (0, 0)), (left, top))
    pen, font = ImageDraw.Draw(drawing), label_font()
    # Of labels wider or higher than tiles every second, third ... has room.
    every = -(-(label_width(columns) + LABEL_SIZE // 2) // step_x)
    for place, text in list(enumerate(columns))[::every]:
        pen.text((left + place * step_x + (step_x - GAP) / 2, top - BASELINE), text, INK, font, anchor="ms")
    every = -(-LABEL_HEIGHT // step_y)
    for place, text in list(enumerate(rows))[::every]:
        pen.text((left - LABEL_SIZE // 2, top + place * step_y + (step_y - GAP) / 2), text, INK, font, anchor="rm")
    return framed(drawing)
