"""Whether a heatmap points to a thing, worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput
from convscope.engine.evaluation.localization import box_overlap, energy_inside, inside_over_outside, pointing_game
from convscope.engine.imaging.box import largest_part
from convscope.engine.shapes.dataset import ShapesDataset


def mask(*places: tuple[int, int], side: int = 8) -> NDArray[np.bool_]:
    found = np.zeros((side, side), bool)
    for place in places:
        found[place] = True
    return found


def spot(row: int, column: int, side: int = 8) -> NDArray[np.float64]:
    found = np.zeros((side, side))
    found[row, column] = 1
    return found


@pytest.mark.parametrize(("tolerance", "hits"), [(0, False), (2.9, False), (3, True), (9, True)])
def test_pointing_forgives_so_many_pixels(tolerance: float, hits: bool) -> None:
    assert pointing_game(spot(5, 5), mask((5, 2)), tolerance=tolerance) is hits
    assert pointing_game(spot(5, 2), mask((5, 2)))


def test_energy_counts_what_speaks_for() -> None:
    heatmap = np.zeros((8, 8))
    heatmap[0, 0], heatmap[0, 1], heatmap[4, 4], heatmap[7, 7] = 3, 1, 4, -50
    assert energy_inside(heatmap, mask((0, 0), (0, 1), (7, 7))) == pytest.approx(0.5)
    assert np.isnan(energy_inside(-heatmap.clip(min=0), mask((0, 0))))


def test_inside_is_compared_with_outside_by_the_mean() -> None:
    heatmap = np.ones((8, 8))
    heatmap[2, 2] = 6
    assert inside_over_outside(heatmap, mask((2, 2))) == pytest.approx(6)
    assert inside_over_outside(spot(2, 2), mask((2, 2))) == np.inf
    assert np.isnan(inside_over_outside(np.zeros((8, 8)), mask((2, 2))))
    assert np.isnan(inside_over_outside(heatmap, np.ones((8, 8), bool)))


def test_boxes_overlap_by_their_areas() -> None:
    heatmap = np.zeros((8, 8))
    heatmap[1:5, 1:5] = 1  # a box of 16
    thing = np.zeros((8, 8), bool)
    thing[3:7, 1:5] = True  # another of 16, two rows of four in common
    assert box_overlap(heatmap, thing) == pytest.approx(8 / 24)
    heatmap[7, 7] = 1  # a smaller part that hangs on nothing
    assert box_overlap(heatmap, thing) == pytest.approx(8 / 24)
    assert box_overlap(np.zeros((8, 8)), thing) == 0
    assert box_overlap(spot(0, 0), mask((7, 7))) == 0


def test_a_perfect_map_is_perfect() -> None:
    """Of every thing of real scenes."""
    world = ShapesDataset(20, task="question", seed=1)
    for place in range(len(world)):
        for thing in world.painting(place).masks:
            heatmap = thing.astype(np.float32)
            assert pointing_game(heatmap, thing)
            assert energy_inside(heatmap, thing) == 1
            # The tips of a small star hang on it by a corner only, and are no part of what the box is around.
            assert box_overlap(heatmap, largest_part(thing)) == 1


@pytest.mark.parametrize("metric", [pointing_game, energy_inside, inside_over_outside, box_overlap])
@pytest.mark.parametrize(
    ("heatmap", "thing", "field", "reason"),
    [
        (np.zeros((8, 7)), mask((1, 1)), "masks", "SHAPE_MISMATCH"),
        (np.zeros((1, 8, 8)), mask((1, 1)), "masks", "SHAPE_MISMATCH"),
        (np.zeros((8, 8)), mask(), "masks", "MASK_EMPTY"),
        (np.full((8, 8), np.nan), mask((1, 1)), "heatmaps", "VALUE_NOT_FINITE"),
        (np.full((8, 8), np.inf), mask((1, 1)), "heatmaps", "VALUE_NOT_FINITE"),
    ],
)
def test_what_cannot_be_compared_is_named(metric, heatmap, thing, field, reason) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput) as caught:
        metric(heatmap, thing)
    assert (caught.value.field, caught.value.reason) == (field, reason)
