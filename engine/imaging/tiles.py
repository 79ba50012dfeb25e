"""Many small pictures on one: numbers to grey levels, tiles in rows."""

from collections.abc import Sequence
from math import ceil, log, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.colormap import DIVERGING, apply_colormap
from convscope.engine.imaging.contact_sheet import FAINT, INK, MARGIN, PAPER

Normalization = Literal["each", "common"]
"""Every part from its own smallest value to its largest; all parts from the smallest value of all to the largest."""

MAX_SIDE = 4096
"""The most pixels that a drawing is wide or high."""
GAP = 2
CAPTION_GAP = 12
EDGE = "#c3c9d1"
LABEL_SIZE = 12
LABEL_HEIGHT = 16
BASELINE = 4
"""How far above what it names a label stands."""
NOT_FINITE = "#ff2bd6"
"""The colour of NaN and infinity."""
# What differs by less, compared with the largest value of all, differs by rounding.
_ROUNDING = 1e-6
# Of a grid, width to height: screens are wider than high.
_PROPORTION = 1.3


def levels(
    parts: NDArray[np.floating[Any]], normalization: Normalization, *, even: float | None, symmetric: bool = False
) -> NDArray[np.floating[Any]]:
    """Scale parts [N, ...] to 0..1, from the smallest to the largest value of each or of all, as make_grid() of
    torchvision does. What is not finite becomes NaN and counts for no range.

    even: the level of a part whose values differ by rounding only, a millionth of the largest of all; None: its level
    in the range of all, so that a dead channel is no noise. symmetric: ranges reach as far below zero as above, which
    becomes 0.5.
    """
    values = parts.reshape(len(parts), -1).astype(np.result_type(parts, np.float32), copy=False)
    finite = np.isfinite(values)
    shown = np.asarray(even)
    if normalization == "common" or even is None:
        all_even = even if even is not None else 0.5 if symmetric else 0.0
        shown = _scaled(values, finite, np.asarray(all_even), axis=None, symmetric=symmetric)
    if normalization == "each":
        shown = _scaled(values, finite, shown, axis=1, symmetric=symmetric)
    shown[~finite] = np.nan
    return shown.reshape(parts.shape)


def _scaled(
    values: NDArray[np.floating[Any]],
    finite: NDArray[np.bool_],
    even: NDArray[np.floating[Any]],
    *,
    axis: int | None,
    symmetric: bool,
) -> NDArray[np.floating[Any]]:
    """Of all values together, or of each row for axis 1; `even` where there is no range."""
    low = values.min(axis=axis, where=finite, initial=np.inf, keepdims=True)
    high = values.max(axis=axis, where=finite, initial=-np.inf, keepdims=True)
    empty = low > high
    low, high = np.where(empty, 0, low), np.where(empty, 0, high)
    ranged = high - low > _ROUNDING * max(-low.min(), high.max())
    if symmetric:
        high = np.maximum(-low, high)
        low, ranged = -high, high > _ROUNDING * high.max()
    shown: NDArray[np.floating[Any]] = values - low
    shown /= np.where(ranged, high - low, 1)
    np.copyto(shown, even, where=~ranged)
    return shown


def to_colors(shown: NDArray[np.floating[Any]], colormap: str) -> NDArray[np.uint8]:
    """Levels [...] to RGB [..., 3]; NaN in a colour of its own. KeyError for a map that is not in COLORMAPS."""
    colors = apply_colormap(np.nan_to_num(shown), colormap)
    colors[np.isnan(shown)] = ImageColor.getrgb(NOT_FINITE)
    return colors


def is_signed(colormap: str) -> bool:
    """Whether the middle of a colour map stands for zero."""
    return colormap == DIVERGING


def enlargement(height: int, width: int, tile: int) -> int:
    """By which whole factor a part comes near to `tile` pixels; 1 for a larger one."""
    return max(1, round(tile / max(height, width)))


def check_size(width: int, height: int, fewer: str) -> None:
    """Raises InvalidInput (DRAWING_TOO_LARGE) over MAX_SIDE. fewer: of what fewer make it smaller."""
    if max(width, height) > MAX_SIDE:
        message = f"the drawing would have {width} x {height} pixels; at most {MAX_SIDE} x {MAX_SIDE} are drawn: "
        raise InvalidInput(f"{message}choose fewer {fewer}", field="drawing", reason="DRAWING_TOO_LARGE")


def label_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(LABEL_SIZE)


def label_width(texts: Sequence[str]) -> int:
    """Pixels of the widest of them."""
    font = label_font()
    return ceil(max(map(font.getlength, set(texts)), default=0))


def framed(drawing: Image.Image) -> Image.Image:
    """With a margin of paper around it."""
    sheet = Image.new("RGB", (drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN), PAPER)
    sheet.paste(drawing, (MARGIN, MARGIN))
    return sheet


def mosaic(
    tiles: NDArray[np.uint8], columns: int, scale: int, cell: tuple[int, int], place: tuple[int, int]
) -> Image.Image:
    """Lay tiles [N, h, w, 3] out row by row, each enlarged by nearest neighbour, in cells of `cell` (width, height)
    pixels: at `place` (left, top), the rest of it paper."""
    count, height, width, _ = tiles.shape
    rows = -(-count // columns)
    paper = np.array(ImageColor.getrgb(PAPER), dtype=np.uint8)
    whole = np.broadcast_to(paper, (rows * columns, height, width, 3)).copy()
    whole[:count] = tiles
    large = whole.repeat(scale, axis=1).repeat(scale, axis=2)
    sheet = np.broadcast_to(paper, (rows, cell[1], columns, cell[0], 3)).copy()
    height, width = height * scale, width * scale
    left, top = place
    large = large.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    sheet[:, top : top + height, :, left : left + width] = large
    return Image.fromarray(sheet.reshape(rows * cell[1], columns * cell[0], 3))


class CaptionedGrid:
    """Tiles in rows, a little wider than high and with few places left empty, a line of text above each."""

    def __init__(
        self,
        shape: tuple[int, int],
        scale: int,
        captions: Sequence[tuple[str, str]],
        *,
        fewer: str,
        beside: tuple[int, int] = (0, 0),
    ) -> None:
        """shape: height and width of a tile before it is enlarged by `scale`. captions: for each tile what stands above
        it at the left and at the right; where none says anything there are no lines. beside: how much wider and higher
        the whole drawing is. fewer: as check_size().

        Raises InvalidInput (DRAWING_TOO_LARGE).
        """
        height, width = shape[0] * scale, shape[1] * scale
        left, right = (label_width([caption[side] for caption in captions]) for side in (0, 1))
        self._scale = scale
        self._captions = captions
        captioned = left > 0 or right > 0
        self._line = LABEL_HEIGHT if captioned else 0
        # Where there is room for it, a line around a tile: a white one could not be told from paper.
        self._edge = 1 if captioned else 0
        self._tile = (width, height)
        self._inner = max(width, left + right + (LABEL_SIZE if left and right else 0))
        # A caption must not be taken for that of the tile above it, nor for a part of the next.
        self._gap = (CAPTION_GAP if left and right else 3 * GAP, 3 * GAP) if captioned else (GAP, GAP)
        self._cell = (
            self._inner + 2 * self._edge + self._gap[0],
            self._line + height + 2 * self._edge + self._gap[1],
        )
        self._columns = self._best_columns(beside)
        self.size = self._size(self._columns)
        """Width and height in pixels."""
        check_size(self.size[0] + beside[0], self.size[1] + beside[1], fewer)

    def _size(self, columns: int) -> tuple[int, int]:
        rows = -(-len(self._captions) // columns)
        return columns * self._cell[0] - self._gap[0], rows * self._cell[1] - self._gap[1]

    def _best_columns(self, beside: tuple[int, int]) -> int:
        count = len(self._captions)
        wished = sqrt(_PROPORTION * count * self._cell[1] / self._cell[0])

        def cost(columns: int) -> tuple[bool, float]:
            too_large = any(side + more > MAX_SIDE for side, more in zip(self._size(columns), beside, strict=True))
            return too_large, (-count % columns) / count + 0.5 * abs(log(columns / wished))

        return min(range(1, count + 1), key=cost)

    def draw(self, tiles: NDArray[np.uint8]) -> Image.Image:
        """tiles: RGB [N, height, width, 3], one for each caption."""
        place = (self._edge, self._line + self._edge)
        drawing = mosaic(tiles, self._columns, self._scale, self._cell, place).crop((0, 0, *self.size))
        if not self._line:
            return drawing
        pen, font = ImageDraw.Draw(drawing), label_font()
        width, height = self._tile
        for number, (left, right) in enumerate(self._captions):
            row, column = divmod(number, self._columns)
            x, y = column * self._cell[0], row * self._cell[1] + self._line
            pen.rectangle((x, y, x + width + 1, y + height + 1), outline=EDGE)
            pen.text((x, y - BASELINE), left, INK, font, anchor="ls")
            pen.text((x + self._inner + 2, y - BASELINE), right, FAINT, font, anchor="rs")
        return drawing
