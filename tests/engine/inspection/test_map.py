"""A map on a grid, as a picture and as a page."""

import json
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.imaging.map_page import map_page
from convscope.engine.imaging.map_picture import CELL, map_picture
from convscope.engine.inspection.map_grid import on_grid


def points(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 16, 50])
def test_every_point_has_a_cell_of_its_own(count: int) -> None:
    grid = on_grid(points(count))
    side = int(np.ceil(np.sqrt(count)))
    assert grid.shape == (side, side)
    assert sorted(grid[grid >= 0].tolist()) == list(range(count))


@pytest.mark.parametrize("count", [101, 5000])
def test_of_very_many_points_every_cell_has_one(count: int) -> None:
    grid = on_grid(points(count), largest=10)
    assert grid.shape == (10, 10)
    assert len(set(grid.flatten().tolist())) == 100
    assert grid.min() >= 0


def test_points_on_a_grid_stay_where_they_are() -> None:
    rows, columns = np.divmod(np.arange(36), 6)
    order = np.random.default_rng(1).permutation(36)
    coordinates = np.stack([columns, -rows], axis=1)[order]
    assert np.array_equal(order[on_grid(coordinates)], np.arange(36).reshape(6, 6))


def test_points_that_are_all_the_same_are_laid_out_too() -> None:
    assert sorted(on_grid(np.zeros((9, 2))).flatten().tolist()) == list(range(9))


def plain(number: int) -> Image.Image:
    return Image.new("RGB", (40 + number, 90), (number * 20, 255 - number * 20, 7))


def test_the_picture_has_each_in_its_cell() -> None:
    drawn = np.asarray(map_picture(np.array([[2, -1], [0, 1]]), plain))
    assert drawn.shape == (2 * CELL, 2 * CELL, 3)
    for (row, column), number in {(0, 0): 2, (1, 0): 0, (1, 1): 1}.items():
        cell = drawn[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        assert (cell == (number * 20, 255 - number * 20, 7)).all()
    assert (drawn[:CELL, CELL:] == drawn[0, CELL]).all()


def test_the_page_holds_all_and_asks_nobody() -> None:
    names = ["a.jpg", "</script><b>&.jpg", "Möwe.jpg"]
    page = map_page(points(3), plain, title="three <i>", names=names, classes=["x", "y", "z"])
    assert "</script><b>" not in page, "a name cannot end the script"
    assert not re.search(r"""(src|href)\s*=\s*["']?(http|//)""", page)
    found = re.search(r"const data = (\{.*\});", page)
    assert found is not None
    data = json.loads(found[1])
    assert (data["names"], data["classes"], data["title"]) == (names, ["x", "y", "z"], "three <i>")
    assert np.allclose(data["points"], points(3), atol=1e-4)
