"""A box around the largest connected part of a heatmap."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from convscope.engine.imaging.box import Box, heatmap_box, largest_part, mask_box


def largest_by_scipy(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Its parts are numbered in the order of their first pixels, and hang together like ours."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(labels == sizes.argmax() + 1)


def box_by_scipy(mask: NDArray[np.bool_]) -> Box:
    rows, columns = ndimage.find_objects(mask.astype(int))[0]
    return columns.start, rows.start, columns.stop, rows.stop


def drawn(*rows: str) -> NDArray[np.float64]:
    """A heatmap in digits."""
    return np.array([[float(digit) for digit in row] for row in rows])


@pytest.mark.parametrize("share", [0.02, 0.3, 0.55, 0.593, 0.62, 0.8, 0.99])
@pytest.mark.parametrize("shape", [(224, 224), (37, 91), (1, 50), (50, 1)])
def test_the_largest_part_is_scipys(shape: tuple[int, int], share: float) -> None:
    """At 0.593 parts are at their most ragged."""
    generator = np.random.default_rng(11)
    for _ in range(5):
        mask = generator.random(shape) < share
        if mask.any():
            assert np.array_equal(largest_part(mask), largest_by_scipy(mask))
            assert mask_box(largest_part(mask)) == box_by_scipy(largest_by_scipy(mask))


def test_a_spiral_hangs_together() -> None:
    mask = np.zeros((61, 61), dtype=bool)
    row, column, step = 0, 0, (0, 1)
    for length in [60, *(length for length in range(60, 0, -2) for _ in range(2))]:
        for _ in range(length):
            mask[row, column] = True
            row, column = row + step[0], column + step[1]
        step = (step[1], -step[0])
    assert np.array_equal(largest_part(mask), largest_by_scipy(mask))
    assert largest_part(mask).sum() > 1500


def test_smooth_maps_have_the_box_of_the_thresholded_map() -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        heatmap = ndimage.gaussian_filter(generator.standard_normal((60, 80)), 4).astype(np.float32)
        mask = heatmap > 0.3 * heatmap.max()
        assert heatmap_box(heatmap, 0.3) == box_by_scipy(largest_by_scipy(mask))


def test_of_two_parts_the_larger_counts_not_the_higher() -> None:
    assert heatmap_box(drawn("900000", "000000", "000022", "000022")) == (4, 2, 6, 4)


def test_of_equals_the_first_counts() -> None:
    assert heatmap_box(drawn("000001", "000001", "110000")) == (5, 0, 6, 2)
    assert heatmap_box(drawn("000011", "000000", "110000")) == (4, 0, 6, 1)


def test_corners_do_not_connect() -> None:
    assert heatmap_box(drawn("1100", "1100", "0011", "0010")) == (0, 0, 2, 2)


def test_the_threshold_is_of_the_maximum_and_must_be_passed() -> None:
    heatmap = drawn("0000", "0286", "0010")
    assert heatmap_box(heatmap, 0.25) == (2, 1, 4, 2)
    assert heatmap_box(heatmap, 0.2) == (1, 1, 4, 2)
    assert heatmap_box(heatmap) == (1, 1, 4, 2)
    assert heatmap_box(heatmap, 0.1) == (1, 1, 4, 3)


def test_a_map_without_a_positive_value_has_no_box() -> None:
    assert heatmap_box(np.zeros((5, 7))) is None
    assert heatmap_box(-np.ones((5, 7))) is None
    assert heatmap_box(np.full((5, 7), np.nan)) is None
    assert heatmap_box(np.full((5, 7), np.inf)) is None
    assert heatmap_box(np.zeros((0, 0))) is None
    assert mask_box(np.zeros((5, 7), dtype=bool)) is None
    assert not largest_part(np.zeros((5, 7), dtype=bool)).any()


def test_what_is_not_finite_and_what_is_negative_counts_as_nothing() -> None:
    heatmap = drawn("0000", "0110", "0000")
    heatmap[1, 0], heatmap[0, 1], heatmap[2, 2], heatmap[1, 3] = np.nan, np.inf, -np.inf, -50
    assert heatmap_box(heatmap) == (1, 1, 3, 2)


def test_a_constant_map_is_its_own_box() -> None:
    assert heatmap_box(np.full((5, 7), 0.3)) == (0, 0, 7, 5)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 6), (2, 3)])
def test_a_single_pixel_has_a_box(row: int, column: int) -> None:
    heatmap = np.zeros((5, 7), dtype=np.float32)
    heatmap[row, column] = 1e-30
    assert heatmap_box(heatmap) == (column, row, column + 1, row + 1)


def test_the_map_is_left_as_it_is() -> None:
    heatmap = drawn("0120", "0340")
    mask = heatmap > 1
    before = heatmap.copy(), mask.copy()
    heatmap_box(heatmap)
    largest_part(mask)
    assert np.array_equal(heatmap, before[0])
    assert np.array_equal(mask, before[1])


def test_the_most_ragged_map_takes_milliseconds() -> None:
    generator = np.random.default_rng(1)
    heatmaps = [generator.random((224, 224)) for _ in range(10)]
    start = time.process_time()
    for heatmap in heatmaps:
        heatmap_box(heatmap, 0.407)
    assert (time.process_time() - start) / len(heatmaps) < 0.02
