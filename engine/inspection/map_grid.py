"""Points of a map onto a grid, so that none covers another."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

LARGEST = 40
"""Cells in a row at most."""
# Candidates for each cell, where not every point finds one.
_CANDIDATES = 3


def on_grid(coordinates: NDArray[np.floating], largest: int = LARGEST) -> NDArray[np.int64]:
    """For each cell of a square grid, [side, side], row by row from the top, the number of its point; -1 for none.

    coordinates: finite [n, 2], right and up. All points find a cell where there are at most largest * largest; of more
    a part, evenly by their numbers. Together they are as near to their places as can be (least sum of squares).
    """
    count = len(coordinates)
    side = min(largest, int(np.ceil(np.sqrt(count)))) if count else 0
    cells = side * side
    chosen = np.arange(count)
    if count > _CANDIDATES * cells:
        chosen = np.unique(np.linspace(0, count - 1, _CANDIDATES * cells).round().astype(np.int64))
    points = _spread(np.asarray(coordinates, np.float64)[chosen]) if count else np.empty((0, 2))
    rows, columns = np.divmod(np.arange(cells), max(1, side))
    centres = (np.stack([columns, side - 1 - rows], axis=1) + 0.5) / max(1, side)
    grid = np.full(cells, -1, np.int64)
    distances = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
    of_points, of_cells = linear_sum_assignment(distances)
    grid[of_cells] = chosen[of_points]
    return grid.reshape(side, side)


def _spread(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Into the unit square."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.asarray((points - low) / np.where(high > low, high - low, 1))
