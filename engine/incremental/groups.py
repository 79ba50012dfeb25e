"""Which copies are computed together.

The copies of a group are cut alike, so a patch in a corner, whose region the border cuts off, costs as much as the
largest of its group. Alike ones together cost less; many small groups cost more calls.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from convscope.engine.incremental.region import Integers, Region

# No more copies are held at once, so that memory does not grow with their number.
LARGEST = 32
# Multiply-adds in the time of what a costly step takes for a group beside its arithmetic: reading weights, cutting,
# calls. Measured on two cores; half or twice as much changes no time by more than 3 %.
OVERHEAD_OF_A_STEP = 50e6

Areas = npt.NDArray[np.float64]


def groups_of(steps: Sequence[tuple[Region, float]]) -> list[Integers]:
    """Share out the copies, from their region after each costly step and its multiply-adds a pixel."""
    heights = np.stack([region.rows.high - region.rows.low for region, _ in steps]).astype(np.float64)
    widths = np.stack([region.columns.high - region.columns.low for region, _ in steps]).astype(np.float64)
    work = np.array([pixel for _, pixel in steps])
    found: list[Integers] = []
    waiting = [np.arange(heights.shape[1])]
    while waiting:
        members = waiting.pop()
        parts = _halves(members, heights, widths, work)
        if parts:
            waiting.extend(parts)
        else:
            found.append(members)
    return found


def _halves(members: Integers, heights: Areas, widths: Areas, work: Areas) -> list[Integers]:
    """The two parts whose work is least; none where splitting does not pay."""
    count = len(members)
    if count == 1:
        return []
    together = count * (work @ (heights[:, members].max(axis=1) * widths[:, members].max(axis=1)))
    best = np.inf if count > LARGEST else together - OVERHEAD_OF_A_STEP * len(work)
    found: list[Integers] = []
    for sizes in (heights, widths):
        order = members[np.argsort(work @ sizes[:, members] ** 2, kind="stable")]
        number = np.arange(1, count)
        first = number * (work @ _largest_so_far(heights, widths, order)[:, :-1])
        rest = number * (work @ _largest_so_far(heights, widths, order[::-1])[:, :-1])
        both = first + rest[::-1]
        place = int(both.argmin())
        if both[place] < best:
            best, found = both[place], [order[: place + 1], order[place + 1 :]]
    return found


def _largest_so_far(heights: Areas, widths: Areas, order: Integers) -> Areas:
    """The area a copy has in a group of the first n, for every n: [steps, n]."""
    areas: Areas = np.maximum.accumulate(heights[:, order], axis=1) * np.maximum.accumulate(widths[:, order], axis=1)
    return areas
