"""Whether a heatmap points to a thing whose place is known. Heatmaps are [H, W], masks bool [H, W] of the same size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.box import Box, heatmap_box, mask_box

Heatmap = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
BOX_THRESHOLD = 0.15


def pointing_game(heatmap: Heatmap, mask: Mask, *, tolerance: float = 0.0) -> bool:
    """Whether the strongest place, of equals the first, lies in the mask or at most `tolerance` pixels from it.

    Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop", 4.1, with a tolerance of 15 pixels. Raises
    InvalidInput.
    """
    values = _checked(heatmap, mask)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    rows, columns = np.nonzero(mask)
    return bool(np.hypot(rows - row, columns - column).min() <= tolerance)


def energy_inside(heatmap: Heatmap, mask: Mask) -> float:
    """Part of the positive evidence that lies in the mask, 0 to 1; NaN for a map without any.

    Wang et al. 2020, "Score-CAM", 4.2.1, the energy-based pointing game. Raises InvalidInput.
    """
    values = _checked(heatmap, mask).clip(min=0)
    total = values.sum()
    return float(values[mask].sum() / total) if total > 0 else float("nan")


def inside_over_outside(heatmap: Heatmap, mask: Mask) -> float:
    """Mean of the positive evidence in the mask over its mean beside it; NaN for a map without any. Raises
    InvalidInput."""
    values = _checked(heatmap, mask).clip(min=0)
    if mask.all() or not values.any():
        return float("nan")
    outside = values[~mask].mean()
    return float(values[mask].mean() / outside) if outside > 0 else float("inf")


def box_overlap(heatmap: Heatmap, mask: Mask, *, threshold: float = BOX_THRESHOLD) -> float:
    """Intersection over union of the box around what the map points to and the box around the mask, 0 to 1.

    Selvaraju et al. 2017, "Grad-CAM", 4.1. Raises InvalidInput.
    """
    found, right = heatmap_box(_checked(heatmap, mask), threshold), mask_box(mask)
    assert right is not None
    return 0.0 if found is None else _overlap(found, right)


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _checked(heatmap: Heatmap, mask: Mask) -> NDArray[np.float64]:
    """The map, where it and its mask can be compared."""
    if heatmap.ndim != 2 or heatmap.shape != mask.shape:
        message = f"a heatmap of {list(heatmap.shape)} has no place on a mask of {list(mask.shape)}"
        raise InvalidInput(message, field="masks", reason="SHAPE_MISMATCH")
    if not mask.any():
        raise InvalidInput("there is nothing in the mask", field="masks", reason="MASK_EMPTY")
    if not np.isfinite(heatmap).all():
        raise InvalidInput("a heatmap must be finite", field="heatmaps", reason="VALUE_NOT_FINITE")
    return heatmap.astype(np.float64)
