"""Where a map has changed, for each of K copies of it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """What has changed along one axis: pixels low to high - 1, [K] each, at least one pixel, all inside the map."""

    low: Integers
    high: Integers

    def through(self, kernel: int, stride: int, padding: int, dilation: int, length: int) -> "Span":
        """Which of the `length` outputs of a sliding window see any of it; output j starts at j * stride - padding."""
        reach = (kernel - 1) * dilation
        low = -((reach - padding - self.low) // stride)
        high = (self.high - 1 + padding) // stride + 1
        # A stride over the patch, or a remainder at the border, leaves nothing that sees it: one pixel does no harm.
        low = low.clip(0, length - 1)
        return Span(low, np.maximum(high.clip(max=length), low + 1))

    def union(self, other: "Span") -> "Span":
        return Span(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def placed(self, length: int) -> tuple[Integers, int]:
        """The starts, [K], of spans of one size that hold all of it and lie inside a map of `length`; and the size."""
        size = int((self.high - self.low).max())
        return np.minimum(self.low, length - size), size


@dataclass(frozen=True)
class Region:
    """What has changed in a map: rows times columns."""

    rows: Span
    columns: Span

    def union(self, other: "Region") -> "Region":
        return Region(self.rows.union(other.rows), self.columns.union(other.columns))

    def of(self, members: Integers) -> "Region":
        """The same of some of the copies."""
        rows, columns = self.rows, self.columns
        return Region(Span(rows.low[members], rows.high[members]), Span(columns.low[members], columns.high[members]))

    def box(self, height: int, width: int) -> "Box":
        """Boxes of one size that hold it and lie inside a map of height x width."""
        tops, rows = self.rows.placed(height)
        lefts, columns = self.columns.placed(width)
        return Box(tops, lefts, rows, columns)


@dataclass(frozen=True)
class Box:
    """A rectangle in each of K maps, all of one size."""

    tops: Integers
    lefts: Integers
    height: int
    width: int

    def is_same(self, other: "Box") -> bool:
        return (
            (self.height, self.width) == (other.height, other.width)
            and np.array_equal(self.tops, other.tops)
            and np.array_equal(self.lefts, other.lefts)
        )
