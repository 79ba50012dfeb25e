"""Filters on a grid: which weight is which pixel, and how bright."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.colormap import apply_colormap
from convscope.engine.imaging.contact_sheet import MARGIN, PAPER
from convscope.engine.imaging.filter_grid import filter_grid
from convscope.engine.imaging.tiles import GAP, LABEL_HEIGHT, MAX_SIDE, NOT_FINITE, Normalization

Floats = NDArray[np.float32]
BACKGROUND = ImageColor.getrgb(PAPER)
BROKEN = ImageColor.getrgb(NOT_FINITE)


def noise(*shape: int) -> Floats:
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)


def inner(drawing: Image.Image) -> NDArray[np.int64]:
    """Its pixels [height, width, 3] without the margin, which must be of paper."""
    pixels = np.asarray(drawing).astype(np.int64)
    body = pixels[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()
    pixels[MARGIN:-MARGIN, MARGIN:-MARGIN] = BACKGROUND
    assert (pixels == BACKGROUND).all()
    return body


def is_paper(pixels: NDArray[Any]) -> bool:
    return bool((pixels == BACKGROUND).all())


def grey(value: float) -> list[int]:
    return [int(np.round(255 * value))] * 3


def test_a_filter_of_three_channels_is_a_tile_of_red_green_and_blue() -> None:
    """Two filters of 1 x 2 weights, each weight three pixels wide and high."""
    weights = np.array([[[[0, 10]], [[5, 2]], [[1, 0]]], [[[-1, 0]], [[0, 0]], [[3, -1]]]], dtype=np.float32)
    pixels = inner(filter_grid(weights, tile=6))
    assert pixels.shape == (3 + GAP + 3, 6, 3)
    first, second = pixels[:3], pixels[-3:]
    assert (first[:, :3] == np.round([0, 127.5, 25.5])).all()
    assert (first[:, 3:] == [255, 51, 0]).all()
    assert (second[:, :3] == [0, 64, 255]).all()
    assert (second[:, 3:] == [64, 64, 0]).all()


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("each", [[0, 1, 1], [0, 1, 1], [0, 0.5, 1]]),
        ("common", [[0.25, 0.75, 0.75], [0.375, 0.5, 0.5], [0, 0.5, 1]]),
    ],
)
def test_each_filter_has_its_own_range_or_all_have_one(
    normalization: Normalization, expected: list[list[float]]
) -> None:
    filters = [[-1, 1, 1], [-0.5, 0, 0], [-2, 0, 2]]
    weights = np.array(filters, dtype=np.float32).reshape(3, 1, 1, 3)
    pixels = inner(filter_grid(weights, tile=3, normalization=normalization))
    assert pixels.shape == (3 + 2 * GAP, 3, 3)
    for row, levels in zip(pixels[:: 1 + GAP], expected, strict=True):
        assert row.tolist() == [grey(level) for level in levels]


def test_of_other_counts_of_channels_every_filter_is_a_row() -> None:
    weights = noise(5, 4, 3, 3)
    pixels = inner(filter_grid(weights, tile=6, normalization="each"))
    assert pixels.shape == (5 * 6 + 4 * GAP, 4 * 6 + 3 * GAP, 3)
    for number in range(5):
        low, high = weights[number].min(), weights[number].max()
        for channel in range(4):
            top, left = number * (6 + GAP), channel * (6 + GAP)
            tile = pixels[top : top + 6, left : left + 6]
            expected = np.round(255 * ((weights[number, channel] - low) / (high - low)).astype(np.float64))
            assert np.abs(tile[..., 0] - expected.repeat(2, axis=0).repeat(2, axis=1)).max() <= 1
            assert (tile == tile[..., :1]).all()
    paper = np.ones(pixels.shape[:2], dtype=bool)
    for number in range(5):
        for channel in range(4):
            paper[number * 8 : number * 8 + 6, channel * 8 : channel * 8 + 6] = False
    assert is_paper(pixels[paper])


def test_filters_of_one_channel_stand_on_a_grid() -> None:
    pixels = inner(filter_grid(noise(9, 1, 3, 3), tile=6))
    assert pixels.shape == (3 * 6 + 2 * GAP, 3 * 6 + 2 * GAP, 3)


@pytest.mark.parametrize(
    ("shape", "tile", "grid", "side"),
    [
        ((64, 3, 11, 11), 40, (8, 8), 44),  # AlexNet's first layer
        ((64, 3, 7, 7), 40, (8, 8), 42),  # ResNet's
        ((96, 3, 11, 11), 40, (12, 8), 44),
        ((32, 3, 3, 3), 40, (8, 4), 39),
        ((1, 3, 5, 5), 40, (1, 1), 40),
        ((2, 1, 5, 5), 40, (2, 1), 40),
        ((7, 1, 5, 5), 5, (4, 2), 5),
        ((20, 20, 7, 7), 21, (20, 20), 21),
        ((2, 5, 1, 1), 10, (5, 2), 10),
        ((4, 3, 50, 50), 40, (2, 2), 50),  # never made smaller
        ((4, 3, 90, 90), 40, (2, 2), 90),
    ],
    ids=str,
)
def test_a_tile_is_a_whole_number_of_times_its_filter(
    shape: tuple[int, ...], tile: int, grid: tuple[int, int], side: int
) -> None:
    pixels = inner(filter_grid(noise(*shape), tile=tile))
    columns, rows = grid
    assert pixels.shape == (rows * (side + GAP) - GAP, columns * (side + GAP) - GAP, 3)


def test_places_without_a_filter_are_paper() -> None:
    pixels = inner(filter_grid(noise(5, 1, 3, 3), tile=6))
    assert pixels.shape == (2 * 6 + GAP, 3 * 6 + 2 * GAP, 3)
    assert is_paper(pixels[6:, -6:])
    assert not is_paper(pixels[6 + GAP :, 6 + GAP : -6 - GAP])


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-30, 1e30])
@pytest.mark.parametrize("normalization", ["each", "common"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_filter_that_is_the_same_everywhere_is_middle_grey(
    channels: int, normalization: Normalization, value: float
) -> None:
    pixels = inner(filter_grid(np.full((1, channels, 2, 2), value, np.float32), tile=2, normalization=normalization))
    tiles = pixels[~(pixels == BACKGROUND).all(axis=2)]
    assert (tiles == grey(0.5)).all()
    assert len(tiles) == 4 * (channels if channels == 2 else 1)


def test_a_dead_filter_is_not_drawn_as_noise() -> None:
    weights = noise(4, 1, 3, 3)
    weights[1] *= 1e-9
    weights[2] *= 1e-4
    pixels = inner(filter_grid(weights, tile=3))
    dead, weak = pixels[:3, 3 + GAP :], pixels[3 + GAP :, :3]
    assert (dead == grey(0.5)).all()
    assert (weak.min(), weak.max()) == (0, 255)


def test_what_is_not_finite_is_seen_and_changes_nothing_else() -> None:
    weights = noise(1, 2, 2, 2)
    weights[0, 0, 0, 0], weights[0, 1, 0, 1] = 0, 0  # neither smallest nor largest
    healthy = inner(filter_grid(weights, tile=2))
    weights[0, 0, 0, 0], weights[0, 1, 0, 1] = np.nan, np.inf
    pixels = inner(filter_grid(weights, tile=2))
    broken = (pixels == BROKEN).all(axis=2)
    assert np.argwhere(broken).tolist() == [[0, 0], [0, 2 + GAP + 1]]
    assert (pixels[~broken] == healthy[~broken]).all()


def test_a_colour_with_a_channel_that_is_not_finite_is_seen() -> None:
    weights = noise(1, 3, 2, 2)
    weights[0, 1, 1, 0] = -np.inf
    pixels = inner(filter_grid(weights, tile=2))
    assert np.argwhere((pixels == BROKEN).all(axis=2)).tolist() == [[1, 0]]


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("normalization", ["each", "common"])
def test_filters_without_a_finite_weight_are_drawn(channels: int, normalization: Normalization) -> None:
    weights = np.full((2, channels, 2, 2), np.nan, dtype=np.float32)
    weights[0] = np.inf
    pixels = inner(filter_grid(weights, tile=2, normalization=normalization))
    assert (pixels == BROKEN).all(axis=2).sum() == 2 * 4 * (channels if channels == 2 else 1)


def test_tiles_may_have_other_colours() -> None:
    weights = np.array([-2, 0, 1, -1], dtype=np.float32).reshape(1, 4, 1, 1)
    pixels = inner(filter_grid(weights, tile=1, colormap="viridis"))[0, :: 1 + GAP]
    assert (pixels == apply_colormap(np.array([0, 2 / 3, 1, 1 / 3]), "viridis")).all()


def test_in_coolwarm_zero_is_pale() -> None:
    weights = np.array([-2, 0, 1, -1], dtype=np.float32).reshape(1, 4, 1, 1)
    pixels = inner(filter_grid(weights, tile=1, colormap="coolwarm"))[0, :: 1 + GAP]
    assert (pixels == apply_colormap(np.array([0, 0.5, 0.75, 0.25]), "coolwarm")).all()


def test_three_channels_that_are_no_colours_are_rows() -> None:
    weights = noise(4, 3, 3, 3)
    colors = filter_grid(weights, tile=3)
    assert inner(colors).shape == (2 * 3 + GAP, 2 * 3 + GAP, 3)
    rows = filter_grid(weights, tile=3, rgb=False)
    assert inner(rows).shape == (4 * 3 + 3 * GAP, 3 * 3 + 2 * GAP, 3)
    assert filter_grid(weights, (), [0, 1, 2], tile=3).tobytes() == colors.tobytes()
    for inputs in ([2, 1, 0], [0, 1, 7]):
        assert filter_grid(weights, (), inputs, tile=3).size[1] == rows.size[1] + LABEL_HEIGHT


def numbered(count: int) -> list[int]:
    """The widest numbers that a layer of two thousand channels has."""
    return [2000 - number for number in range(count)]


@pytest.mark.parametrize("tile", [2, 8, 16, 40])
@pytest.mark.parametrize("shape", [(30, 3, 2, 2), (30, 1, 2, 2), (30, 20, 2, 2), (3, 40, 2, 2)], ids=str)
def test_numbers_never_lie_on_a_tile(shape: tuple[int, ...], tile: int) -> None:
    """Tiles are drawn magenta, and every pixel of them is still there."""
    weights = np.full(shape, np.nan, dtype=np.float32)
    pixels = inner(filter_grid(weights, numbered(shape[0]), numbered(shape[1]), tile=tile, rgb=True))
    tiles = shape[0] * (1 if shape[1] == 1 else shape[1])
    assert (pixels == BROKEN).all(axis=2).sum() == tiles * tile**2


@pytest.mark.parametrize("tile", [2, 8, 16, 40])
def test_numbers_above_tiles_never_touch(tile: int) -> None:
    """Between two columns of the grid all is paper, from top to bottom."""
    pixels = inner(filter_grid(np.full((25, 1, 2, 2), np.nan, np.float32), numbered(25), tile=tile))
    in_tiles = np.flatnonzero((pixels == BROKEN).all(axis=2).any(axis=0))
    starts = in_tiles[np.flatnonzero(np.diff(in_tiles, prepend=-9) > 1)]
    assert len(starts) > 1
    for start in starts[1:]:
        assert is_paper(pixels[:, start - 1 - 3 * GAP : start - 1])


@pytest.mark.parametrize("tile", [2, 8, 16, 40])
def test_numbers_of_columns_and_rows_never_touch(tile: int) -> None:
    count = 40
    pixels = inner(
        filter_grid(np.full((count, count, 2, 2), np.nan, np.float32), numbered(count), numbered(count), tile=tile)
    )
    rows, columns = np.nonzero((pixels == BROKEN).all(axis=2))
    above, beside = pixels[: rows.min(), columns.min() :], pixels[rows.min() :, : columns.min()]
    for written, room in ((above.transpose(1, 0, 2), 24), (beside, 8)):
        ink = np.flatnonzero((written != BACKGROUND).any(axis=(1, 2)))
        # Digits of one number are nearer to each other than numbers are.
        groups = np.split(ink, np.flatnonzero(np.diff(ink) > 4 if room == 24 else np.diff(ink) > 1) + 1)
        most = room + 8
        assert all(np.ptp(group) < most for group in groups)
        every = -(-most // (tile + GAP))
        assert count / (every + 1) <= len(groups) <= count


def changed(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what differs within the margins."""
    rows, columns = np.nonzero((inner(one) != inner(other)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_the_number_of_a_filter_stands_beside_its_row_and_that_of_an_input_above_its_column() -> None:
    weights = noise(4, 5, 4, 4)
    step = 40 + GAP
    drawing = filter_grid(weights, [5, 6, 7, 8], [10, 11, 12, 13, 14])
    wide = drawing.width - 2 * MARGIN - (5 * step - GAP)
    left, top, right, bottom = changed(drawing, filter_grid(weights, [5, 6, 9, 8], [10, 11, 12, 13, 14]))
    assert 0 <= left < right <= wide
    assert LABEL_HEIGHT + 2 * step <= top < bottom <= LABEL_HEIGHT + 3 * step - GAP
    left, top, right, bottom = changed(drawing, filter_grid(weights, [5, 6, 7, 8], [10, 11, 12, 18, 14]))
    assert 0 <= top < bottom <= LABEL_HEIGHT
    assert wide + 3 * step <= left < right <= wide + 4 * step - GAP


def test_the_number_of_a_filter_stands_above_its_tile() -> None:
    weights = noise(6, 3, 4, 4)
    drawing = filter_grid(weights, [0, 1, 2, 3, 4, 5])
    left, top, right, bottom = changed(drawing, filter_grid(weights, [0, 1, 2, 3, 8, 5]))
    step_x, step_y = 42 + 3 * GAP, LABEL_HEIGHT + 42 + 3 * GAP  # with a line around each tile
    assert drawing.size == (3 * step_x - 3 * GAP + 2 * MARGIN, 2 * step_y - 3 * GAP + 2 * MARGIN)
    assert step_x <= left < right <= step_x + 40
    assert step_y <= top < bottom <= step_y + LABEL_HEIGHT


def test_without_numbers_there_is_no_room_for_them() -> None:
    weights = noise(4, 5, 4, 4)
    width, height = filter_grid(weights).size
    assert filter_grid(weights, (), range(5)).size == (width, height + LABEL_HEIGHT)
    assert filter_grid(weights, range(4)).size[1] == height
    assert filter_grid(weights, range(4)).size[0] > width


@pytest.mark.parametrize(("outputs", "inputs"), [([1], []), ([0, 1, 2], []), ([], [1, 2, 3, 4])])
def test_other_numbers_than_filters_are_a_mistake(outputs: list[int], inputs: list[int]) -> None:
    for channels in (2, 3, 5):
        with pytest.raises(ValueError, match="2 filters"):
            filter_grid(noise(2, channels, 3, 3), outputs, inputs)


@pytest.mark.parametrize("shape", [(2000, 512, 3, 3), (40_000, 3, 7, 7), (20_000, 1, 3, 3), (2, 1200, 3, 3)], ids=str)
def test_a_drawing_too_large_is_refused_before_it_costs_memory(shape: tuple[int, ...]) -> None:
    weights = np.broadcast_to(np.float32(1), shape)
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="4096 x 4096 are drawn: choose fewer outputs or inputs") as caught:
        filter_grid(weights)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.field, caught.value.reason) == ("drawing", "DRAWING_TOO_LARGE")
    assert peak < 2**20


def test_tiles_of_very_many_channels_are_smaller_rather_than_refused() -> None:
    weights = noise(512, 512, 3, 3)
    drawing = filter_grid(weights)
    assert max(drawing.size) <= MAX_SIDE
    assert filter_grid(weights[:64, :64]).width > drawing.width / 8 * 2


def test_the_largest_drawing_is_drawn() -> None:
    tile = MAX_SIDE - 2 * MARGIN
    assert filter_grid(noise(1, 1, 1, 1), tile=tile).size == (MAX_SIDE, MAX_SIDE)
    with pytest.raises(InvalidInput):
        filter_grid(noise(1, 1, 1, 1), tile=tile + 1)


def test_the_weights_themselves_are_left_alone() -> None:
    weights = noise(4, 3, 3, 3)
    weights[0, 0, 0, 0] = np.nan
    before = weights.copy()
    filter_grid(weights, normalization="common")
    assert np.array_equal(weights, before, equal_nan=True)
