"""Whether two maps order the places of a picture alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from convscope.engine.errors import InvalidInput

GRID = 14
"""Places in a row and in a column to which both maps are scaled, as in the Grad-CAM paper."""


def rank_correlation(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]], *, grid: int = GRID) -> float:
    """Spearman's, of two maps [H, W] of any sizes, each scaled to grid x grid: -1 to 1; NaN where one is flat.

    Selvaraju et al. 2017, "Grad-CAM", 7.3, and Das et al. 2016, "Human Attention in VQA". Raises InvalidInput.
    """
    first, second = (_scaled(values, grid).ravel() for values in (one, other))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def _scaled(values: NDArray[np.floating[Any]], grid: int) -> NDArray[np.float64]:
    if values.ndim != 2 or not values.size:
        raise InvalidInput(f"a map is [H, W], not {list(values.shape)}", field="maps", reason="SHAPE_MISMATCH")
    if not np.isfinite(values).all():
        raise InvalidInput("a map must be finite", field="maps", reason="VALUE_NOT_FINITE")
    if values.shape == (grid, grid):
        return values.astype(np.float64)
    scaled = Image.fromarray(values.astype(np.float32)).resize((grid, grid), Image.Resampling.BILINEAR)
    return np.asarray(scaled, np.float64)
