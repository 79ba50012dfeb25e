"""The changed parts of K copies of one map."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convscope.engine.incremental.region import Box, Integers


@dataclass(frozen=True)
class Stack:
    """K copies of a map, of which only what may differ from the undisturbed map is held."""

    values: Tensor
    """[K, C, h, w]: what is in the boxes."""
    box: Box
    shape: torch.Size
    """Of the undisturbed map: [1, C, H, W]."""
    base: Tensor | None
    """The undisturbed map, channels last; None where no later step looks beyond the boxes."""

    def whole(self) -> Tensor:
        """The K maps, [K, C, H, W]."""
        origin = np.zeros_like(self.box.tops)
        return self.cut(Box(origin, origin, *self.shape[-2:]))

    def cut(self, box: Box, fill: float = 0.0) -> Tensor:
        """Other boxes of the K maps, [K, C, h, w], channels last; `fill` is what stands outside a map.

        May be `values` itself.
        """
        if box.is_same(self.box):
            return self.values
        assert self.base is not None, "a map without its base is cut only where it changed"
        _, channels, map_height, map_width = self.shape
        rows, columns = box.tops[:, None] + np.arange(box.height), box.lefts[:, None] + np.arange(box.width)
        pixels = self.base.permute(0, 2, 3, 1).reshape(-1, channels)
        index = _grid(rows.clip(0, map_height - 1), columns.clip(0, map_width - 1), map_width)
        found = pixels.index_select(0, self._on_device(index.ravel()))
        no_row, no_column = (rows < 0) | (rows >= map_height), (columns < 0) | (columns >= map_width)
        if no_row.any() or no_column.any():
            outside = np.flatnonzero(no_row[:, :, None] | no_column[:, None, :])
            found.index_fill_(0, self._on_device(outside), fill)
        self._lay_over(found.view(len(rows), box.height, box.width, channels), box)
        return found.view(len(rows), box.height, box.width, channels).permute(0, 3, 1, 2)

    def _lay_over(self, found: Tensor, box: Box) -> None:
        """Write the values where they belong in cut boxes, [K, h, w, C]."""
        values = self.values.permute(0, 2, 3, 1)
        tops, lefts = self.box.tops - box.tops, self.box.lefts - box.lefts
        rows, columns = tops[:, None] + np.arange(self.box.height), lefts[:, None] + np.arange(self.box.width)
        row_inside, column_inside = (rows >= 0) & (rows < box.height), (columns >= 0) & (columns < box.width)
        inside = bool(row_inside.all() and column_inside.all())
        if inside and (tops == tops[0]).all() and (lefts == lefts[0]).all():
            top, left = int(tops[0]), int(lefts[0])
            found[:, top : top + self.box.height, left : left + self.box.width] = values
            return
        copies = np.arange(len(rows))[:, None]
        index = _grid(copies * box.height + rows, columns, box.width).ravel()
        source = values.reshape(-1, values.shape[-1])
        if not inside:
            kept = np.flatnonzero(row_inside[:, :, None] & column_inside[:, None, :])
            index, source = index[kept], source.index_select(0, self._on_device(kept))
        found.view(-1, values.shape[-1]).index_copy_(0, self._on_device(index), source)

    def _on_device(self, index: Integers) -> Tensor:
        return torch.from_numpy(index).to(self.values.device)


def _grid(rows: Integers, columns: Integers, width: int) -> Integers:
    """The running numbers of the pixels in rows [K, h] and columns [K, w] of a map: [K, h, w]."""
    return rows[:, :, None] * width + columns[:, None, :]
