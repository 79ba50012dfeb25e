"""Channels of an activation on a grid, beside the picture."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.activation_grid import PICTURE_SIDE, _short, activation_grid
from convscope.engine.imaging.colormap import apply_colormap
from convscope.engine.imaging.contact_sheet import MARGIN, PAPER, TITLE_HEIGHT
from convscope.engine.imaging.tiles import CAPTION_GAP, GAP, LABEL_HEIGHT, MAX_SIDE, NOT_FINITE, Normalization

Floats = NDArray[np.float32]
NORMALIZATIONS: tuple[Normalization, ...] = ("each", "common")
BACKGROUND = ImageColor.getrgb(PAPER)
BROKEN = ImageColor.getrgb(NOT_FINITE)
TILE = 64
# With a line of one pixel around each tile.
SIDE = TILE + 2
STEP_X, STEP_Y = SIDE + CAPTION_GAP, LABEL_HEIGHT + SIDE + 3 * GAP


def noise(*shape: int) -> Floats:
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)


def tile_of(drawing: Image.Image, row: int, column: int, left: int = 0, top: int = 0) -> NDArray[np.int64]:
    """The pixels of a tile of TILE pixels, where captions are no wider; the grid begins at `left`, `top`."""
    x, y = MARGIN + left + column * STEP_X + 1, MARGIN + top + row * STEP_Y + LABEL_HEIGHT + 1
    return np.asarray(drawing)[y : y + TILE, x : x + TILE].astype(np.int64)


def level(tile: NDArray[np.int64]) -> int:
    """The one grey level of a tile."""
    assert (tile == tile[0, 0, 0]).all()
    return int(tile[0, 0, 0])


def test_every_channel_is_a_tile_with_its_places_where_they_are() -> None:
    maps = noise(6, 4, 4)
    drawing = activation_grid(maps)
    assert drawing.size == (3 * STEP_X - CAPTION_GAP + 2 * MARGIN, 2 * STEP_Y - 3 * GAP + 2 * MARGIN)
    for channel in range(6):
        low, high = maps[channel].min(), maps[channel].max()
        expected = np.round(255 * (maps[channel] - low) / (high - low)).repeat(16, axis=0).repeat(16, axis=1)
        tile = tile_of(drawing, *divmod(channel, 3))
        assert np.abs(tile - expected[..., None]).max() <= 1


def test_in_common_the_strongest_channel_is_brightest() -> None:
    maps = np.zeros((4, 2, 2), dtype=np.float32)
    maps[0, 0], maps[1, 0], maps[2, 0] = 4, 1, 3
    drawing = activation_grid(maps, normalization="common")
    tops = [level(tile_of(drawing, *divmod(channel, 2))[: TILE // 2]) for channel in range(4)]
    assert tops == [255, 64, 191, 0]
    drawing = activation_grid(maps, normalization="each")
    assert [level(tile_of(drawing, *divmod(channel, 2))[: TILE // 2]) for channel in range(4)] == [255, 255, 255, 0]


@pytest.mark.parametrize("normalization", ["each", "common"])
def test_a_dead_channel_is_black_and_no_noise(normalization: Normalization) -> None:
    maps = np.abs(noise(4, 8, 8))
    maps[1] = 0
    maps[2] *= 1e-8
    drawing = activation_grid(maps, normalization=normalization)
    assert level(tile_of(drawing, 0, 1)) == 0
    assert tile_of(drawing, 1, 0).max() <= 1
    assert tile_of(drawing, 0, 0).max() > 100


def test_a_channel_with_one_value_everywhere_has_its_level_among_all() -> None:
    maps = noise(4, 8, 8)
    maps[0, 0, :2] = -4, 4
    maps[1], maps[2], maps[3] = 0, 2, -4
    drawing = activation_grid(maps, normalization="each")
    assert [level(tile_of(drawing, *divmod(channel, 2))) for channel in (1, 2, 3)] == [128, 191, 0]


def test_a_layer_that_is_silent_altogether_is_black() -> None:
    drawing = activation_grid(np.zeros((4, 8, 8), dtype=np.float32))
    assert {level(tile_of(drawing, *divmod(channel, 2))) for channel in range(4)} == {0}


def test_a_layer_without_places_is_a_tile_for_each_channel_by_its_value() -> None:
    drawing = activation_grid(np.array([-1, 0, 1, 0.5], dtype=np.float32))
    assert drawing.size == (2 * STEP_X - CAPTION_GAP + 2 * MARGIN, 2 * STEP_Y - 3 * GAP + 2 * MARGIN)
    assert [level(tile_of(drawing, *divmod(channel, 2))) for channel in range(4)] == [0, 128, 255, 191]


def test_negative_values_are_darker_than_zero() -> None:
    maps = np.zeros((1, 2, 2), dtype=np.float32)
    maps[0] = [[-3, -1], [0, 1]]
    tile = tile_of(activation_grid(maps), 0, 0)
    assert [level(part) for part in (tile[:32, :32], tile[:32, 32:], tile[32:, :32], tile[32:, 32:])] == [
        0,
        128,
        191,
        255,
    ]


def test_in_coolwarm_zero_is_pale_also_where_all_is_zero() -> None:
    maps = np.zeros((2, 2, 2), dtype=np.float32)
    maps[0] = [[-1, 0], [2, 0]]
    drawing = activation_grid(maps, colormap="coolwarm")
    first, second = tile_of(drawing, 0, 0), tile_of(drawing, 0, 1)
    expected = apply_colormap(np.array([0.25, 0.5, 1.0]), "coolwarm")
    assert (first[0, 0] == expected[0]).all()
    assert (first[0, -1] == expected[1]).all()
    assert (first[-1, 0] == expected[2]).all()
    assert (second == expected[1]).all()
    for normalization in NORMALIZATIONS:
        silent = activation_grid(maps * 0, colormap="coolwarm", normalization=normalization)
        assert (tile_of(silent, 0, 0) == expected[1]).all()


def test_what_is_not_finite_is_seen() -> None:
    maps = noise(1, 4, 4)
    maps[0, 1, 2], maps[0, 3, 0] = np.nan, np.inf
    tile = tile_of(activation_grid(maps), 0, 0)
    broken = (tile == BROKEN).all(axis=2)
    assert broken.sum() == 2 * 16 * 16
    assert broken[16:32, 32:48].all()
    assert broken[48:, :16].all()


def changed(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what differs, within the margins."""
    rows, columns = np.nonzero((np.asarray(one) != np.asarray(other)).any(axis=2))
    return columns.min() - MARGIN, rows.min() - MARGIN, columns.max() + 1 - MARGIN, rows.max() + 1 - MARGIN


def test_the_number_of_a_channel_stands_above_its_tile_at_the_left() -> None:
    maps = np.abs(noise(4, 8, 8))
    assert activation_grid(maps).tobytes() == activation_grid(maps, [0, 1, 2, 3]).tobytes()
    left, top, right, bottom = changed(activation_grid(maps), activation_grid(maps, [0, 1, 8, 3]))
    assert 0 <= left < right <= TILE // 2
    assert STEP_Y <= top < bottom <= STEP_Y + LABEL_HEIGHT


def test_the_largest_value_of_a_channel_stands_above_its_tile_at_the_right() -> None:
    """By itself every channel of two values looks like every other."""
    maps = np.zeros((4, 1, 2), dtype=np.float32)
    maps[:, 0, 1] = 3
    other = maps.copy()
    other[3, 0, 1] = 4
    left, top, right, bottom = changed(activation_grid(maps), activation_grid(other))
    assert STEP_X + SIDE // 2 < left < right <= STEP_X + SIDE
    assert LABEL_HEIGHT + SIDE // 2 < top < bottom <= 2 * LABEL_HEIGHT + SIDE // 2 + 3 * GAP


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"), (-0.0, "0"), (6, "6.00"), (5.254, "5.25"), (-0.0123, "-0.01"), (0.0099, "1e-02"), (3e-9, "3e-09"),
        (12.34, "12.3"), (-123.4, "-123"), (98765, "98765"), (1.3e5, "1e+05"), (np.nan, "nan"), (-np.inf, "-inf"),
    ],
)  # fmt: skip
def test_values_are_written_with_few_digits(value: float, written: str) -> None:
    assert _short(value) == written


@pytest.mark.parametrize("tile", [2, 8, 16, 64])
def test_captions_never_lie_on_a_tile_nor_touch(tile: int) -> None:
    maps = np.full((30, 2, 2), np.nan, dtype=np.float32)
    pixels = np.asarray(activation_grid(maps, [2000 - number for number in range(30)], tile=tile))
    broken = (pixels == BROKEN).all(axis=2)
    assert broken.sum() == 30 * tile**2
    in_tiles = np.flatnonzero(broken.any(axis=0))
    starts = in_tiles[np.flatnonzero(np.diff(in_tiles, prepend=-9) > 1)]
    assert len(starts) > 1
    for start in starts[1:]:
        assert (pixels[:, start - 1 - CAPTION_GAP : start - 1] == BACKGROUND).all()


PICTURE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize(("title", "top"), [("", 0), ("layer4", TITLE_HEIGHT)])
def test_the_picture_stands_at_the_left_of_the_grid(title: str, top: int) -> None:
    maps = noise(4, 8, 8)
    drawing = activation_grid(maps, picture=PICTURE, title=title)
    pixels = np.asarray(drawing)
    assert (pixels[MARGIN + top : MARGIN + top + 40, MARGIN : MARGIN + 60] == np.asarray(PICTURE)).all()
    left = 60 + 2 * MARGIN
    assert (pixels[:, MARGIN + 60 : MARGIN + left][MARGIN + top :] == BACKGROUND).all()
    alone = activation_grid(maps)
    for channel in range(4):
        place = divmod(channel, 2)
        assert (tile_of(drawing, *place, left, top) == tile_of(alone, *place)).all()
    assert drawing.size == (alone.width + left, alone.height + top)


def test_the_title_stands_above_all() -> None:
    maps = noise(4, 8, 8)
    _, top, _, bottom = changed(
        activation_grid(maps, title="layer4", picture=PICTURE), activation_grid(maps, title="stem", picture=PICTURE)
    )
    assert 0 <= top < bottom <= TITLE_HEIGHT
    with_title = activation_grid(maps, title="layer4")
    assert with_title.height == activation_grid(maps).height + TITLE_HEIGHT


def test_a_long_title_makes_the_drawing_wider() -> None:
    maps = noise(1, 8, 8)
    pixels = np.asarray(activation_grid(maps, title="a title of many words, " * 3))
    assert pixels.shape[1] > 2 * activation_grid(maps).width
    assert (pixels[:, -MARGIN:] == BACKGROUND).all()
    assert (pixels[:TITLE_HEIGHT, -MARGIN - 40 : -MARGIN] != BACKGROUND).any()


@pytest.mark.parametrize(
    ("size", "shown"), [((900, 600), (320, 213)), ((600, 900), (213, 320)), ((320, 10), (320, 10))]
)
def test_a_large_picture_is_made_smaller_and_keeps_its_shape(size: tuple[int, int], shown: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (255, 0, 0))
    pixels = np.asarray(activation_grid(noise(4, 8, 8), picture=picture))
    rows, columns = np.nonzero((pixels == [255, 0, 0]).all(axis=2))
    assert [np.ptp(columns) + 1, np.ptp(rows) + 1] == list(shown)
    assert max(shown) == PICTURE_SIDE
    assert (pixels[-MARGIN:] == BACKGROUND).all()


def test_picture_and_values_are_left_alone() -> None:
    picture, maps = Image.new("RGB", (900, 600), (1, 2, 3)), noise(4, 8, 8)
    before = maps.copy()
    activation_grid(maps, picture=picture, title="a")
    assert picture.size == (900, 600)
    assert np.array_equal(maps, before)


@pytest.mark.parametrize(
    "shape", [(64, 112, 112), (1280, 7, 7), (2048, 7, 7), (1000,), (96, 28, 56), (5, 9, 13)], ids=str
)
def test_whole_layers_of_known_networks_fit(shape: tuple[int, ...]) -> None:
    drawing = activation_grid(noise(*shape), picture=PICTURE, title="a layer")
    assert max(drawing.size) <= MAX_SIDE
    proportion = (drawing.width - 60) / drawing.height
    assert 0.7 < proportion < 2.2


@pytest.mark.parametrize("shape", [(400, 224, 224), (20_000, 7, 7), (1, 10, 4097)], ids=str)
def test_a_drawing_too_large_is_refused(shape: tuple[int, ...]) -> None:
    values: NDArray[Any] = np.broadcast_to(np.float32(1), shape)
    with pytest.raises(InvalidInput, match="choose fewer channels") as caught:
        activation_grid(values)
    assert (caught.value.field, caught.value.reason) == ("drawing", "DRAWING_TOO_LARGE")


def test_the_picture_counts_for_the_size() -> None:
    maps = noise(1, 10, MAX_SIDE - 2 * MARGIN - 2)
    assert activation_grid(maps).width == MAX_SIDE
    with pytest.raises(InvalidInput):
        activation_grid(maps, picture=PICTURE)


def test_as_many_numbers_as_channels_are_needed() -> None:
    with pytest.raises(ValueError, match="zip"):
        activation_grid(noise(4, 8, 8), [1, 2, 3])
