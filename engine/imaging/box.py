"""A box around what a heatmap points to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""left, top, right, bottom; pixels, right and bottom just outside."""


def whole_pixels(region: tuple[float, float, float, float]) -> Box:
    """The pixels that a region, left, top, right and bottom, comes nearest to; at least one."""
    left, top, right, bottom = map(round, region)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def mask_box(mask: NDArray[np.bool_]) -> Box | None:
    """Around all that is set in a mask [H, W]; None where nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def heatmap_box(heatmap: NDArray[np.floating[Any]], threshold: float = 0.15) -> Box | None:
    """Around the largest connected part of a heatmap [H, W] over `threshold` of its maximum, of equals the first.

    Selvaraju et al. 2017, "Grad-CAM", section 4.1. Neighbours are those above, below, left and right. What is not
    finite counts as zero. None for a map without a positive value.
    """
    values = np.nan_to_num(heatmap, posinf=0, neginf=0)
    highest = values.max(initial=0)
    if not highest > 0:
        return None
    return mask_box(largest_part(values > threshold * highest))


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part of a mask [H, W] that hangs together above, below, left and right; of equals the first."""
    if not mask.any():
        return mask
    starts = mask.copy()
    starts[:, 1:] &= ~mask[:, :-1]
    # For each set pixel the number of its run, a stretch of a row.
    run = np.cumsum(starts).reshape(mask.shape) - 1
    touching = mask[:-1] & mask[1:]
    above, below = run[:-1][touching], run[1:][touching]
    # For each run the first run of its part, as far as that is known.
    part = np.arange(run.max() + 1)
    while (apart := part[above] != part[below]).any():
        above, below = above[apart], below[apart]
        part[np.maximum(part[above], part[below])] = np.minimum(part[above], part[below])
        while (part[part] != part).any():
            part = part[part]
    sizes = np.bincount(part[run[mask]])
    return np.asarray(mask & (part[run] == sizes.argmax()))
