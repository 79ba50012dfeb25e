"""Attributions become pictures: heatmaps, boxes, colours, overlays, cut-outs, contact sheets."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageColor, ImageFilter
from scipy import ndimage
from torch.nn.functional import interpolate

from convscope.engine.imaging.box import heatmap_box
from convscope.engine.imaging.colormap import COLORMAPS, DIVERGING, apply_colormap
from convscope.engine.imaging.comparison import Panel, comparison_sheet
from convscope.engine.imaging.contact_sheet import CAPTION_HEIGHT, MARGIN, PAPER, TITLE_HEIGHT, Tile, contact_sheet
from convscope.engine.imaging.cutout import INK as OUTLINE
from convscope.engine.imaging.cutout import OUTSIDE_BRIGHTNESS, cutout
from convscope.engine.imaging.heatmap import Reduction, normalize, to_heatmap
from convscope.engine.imaging.overlay import UNSEEN_BRIGHTNESS, overlay

Floats = NDArray[np.float32]
SEQUENTIAL = [name for name in COLORMAPS if name != DIVERGING]


def noise(*shape: int) -> Floats:
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ((7, 7), (224, 224)),
        ((14, 14), (224, 224)),
        ((13, 13), (224, 224)),
        ((8, 8), (299, 299)),
        ((5, 9), (31, 77)),
        ((1, 3), (20, 20)),
        ((1, 1), (6, 5)),
        ((223, 224), (224, 224)),
    ],
    ids=str,
)
def test_a_heatmap_is_upsampled_bilinearly_as_torch_does(small: tuple[int, int], large: tuple[int, int]) -> None:
    attribution = noise(1, *small)
    exact = torch.from_numpy(attribution).double()  # in float32 torch rounds the places of pixels
    expected = interpolate(exact[None], large, mode="bilinear", align_corners=False)
    found = to_heatmap(attribution, *large)
    assert found.dtype == np.float32
    assert found.shape == large
    assert np.abs(found - expected[0, 0].numpy()).max() < 1e-5 * np.abs(attribution).max()


def test_the_scale_of_an_attribution_does_not_matter() -> None:
    attribution = noise(1, 7, 7)
    found = to_heatmap(attribution * np.float32(1e-8), 50, 60)
    assert np.allclose(found * 1e8, to_heatmap(attribution, 50, 60), rtol=0, atol=1e-5)


def test_channels_are_summed_with_their_signs() -> None:
    attribution = noise(3, 6, 5)
    assert np.allclose(to_heatmap(attribution, 6, 5), attribution[0] + attribution[1] + attribution[2], atol=1e-6)


def test_of_channels_that_are_not_added_the_largest_magnitude_counts() -> None:
    attribution = noise(3, 6, 5)
    found = to_heatmap(attribution, 6, 5, "largest")
    expected = [[max(abs(value) for value in attribution[:, row, column]) for column in range(5)] for row in range(6)]
    assert found.dtype == np.float32
    assert np.array_equal(found, np.array(expected, dtype=np.float32))


def test_channels_are_reduced_before_they_are_upsampled() -> None:
    attribution = noise(3, 6, 5)
    reduced = np.abs(attribution).max(axis=0, keepdims=True)
    assert np.array_equal(to_heatmap(attribution, 60, 40, "largest"), to_heatmap(reduced, 60, 40))


@pytest.mark.parametrize("reduction", ["sum", "largest"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_attribution_of_the_frames_own_size_stays_what_it_is(dtype: Any, reduction: Reduction) -> None:
    attribution = noise(1, 6, 5).astype(dtype)
    found = to_heatmap(attribution, 6, 5, reduction)
    assert found.dtype == np.float32
    assert found.shape == (6, 5)
    expected = attribution[0] if reduction == "sum" else np.abs(attribution[0])
    assert np.array_equal(found, expected.astype(np.float32))


def test_an_attribution_without_negative_values_is_drawn_from_0_to_1() -> None:
    heatmap = normalize(np.abs(noise(40, 40)) * 1e-6)
    assert heatmap.dtype == np.float32
    assert heatmap.min() >= 0
    assert heatmap.max() == 1
    assert 0.1 < np.median(heatmap) < 0.9


def test_an_attribution_with_both_signs_keeps_zero_at_zero() -> None:
    values = noise(40, 40)
    values[0, 0] = 0
    heatmap = normalize(values)
    assert heatmap[0, 0] == 0
    assert np.array_equal(np.sign(heatmap), np.sign(values))
    assert heatmap.min() >= -1
    assert heatmap.max() <= 1


def test_what_all_places_have_in_common_is_taken_off() -> None:
    values = np.linspace(5, 6, 1600, dtype=np.float32).reshape(40, 40)
    heatmap = normalize(values)
    assert heatmap.min() == 0
    assert heatmap.max() == 1
    np.testing.assert_allclose(heatmap, normalize(values - 5), atol=1e-5)


def test_one_bright_pixel_does_not_darken_the_others() -> None:
    values = np.ones((40, 40), dtype=np.float32)
    values[3, 3] = 1e6
    assert normalize(values).min() == 1


def test_a_single_bright_pixel_on_nothing_is_seen() -> None:
    values = np.zeros((40, 40), dtype=np.float32)
    values[3, 3] = 1e-9
    heatmap = normalize(values)
    assert heatmap[3, 3] == 1
    assert heatmap.sum() == 1


def test_a_heatmap_of_zeros_stays_one() -> None:
    assert not normalize(np.zeros((3, 3), dtype=np.float32)).any()


def largest_part(heatmap: NDArray[Any], threshold: float) -> tuple[int, int, int, int]:
    """The box of heatmap_box(), by SciPy."""
    parts, count = ndimage.label(heatmap > threshold * heatmap.max())
    sizes = [(parts == number + 1).sum() for number in range(count)]
    rows, columns = ndimage.find_objects(parts)[int(np.argmax(sizes))]
    return columns.start, rows.start, columns.stop, rows.stop


@pytest.mark.parametrize("threshold", [0.0, 0.15, 0.4, 0.9])
@pytest.mark.parametrize("cells", [2, 7, 14, 56, 224], ids=lambda cells: f"{cells} cells")
def test_the_box_is_that_of_the_largest_connected_part(cells: int, threshold: float) -> None:
    heatmap = to_heatmap(np.abs(noise(1, cells, cells)), 224, 224)
    assert heatmap_box(heatmap, threshold) == largest_part(heatmap, threshold)


@pytest.mark.parametrize("shape", ["spiral", "comb", "rings", "diagonal"])
def test_a_part_may_have_any_shape(shape: str) -> None:
    drawings = {
        "spiral": ["1111111", "0000001", "1111101", "1000101", "1011101", "1000001", "1111111"],
        "comb": ["1010101", "1010101", "1111111", "0000000", "1110111", "1010101", "1010101"],
        "rings": ["1111111", "1000001", "1011101", "1010101", "1011101", "1000001", "1111111"],
        "diagonal": ["1100000", "1100000", "0011000", "0011000", "0000111", "0000111", "0000000"],
    }
    heatmap = np.array([list(map(float, row)) for row in drawings[shape]])
    assert heatmap_box(heatmap) == largest_part(heatmap, 0.15)


def test_the_box_of_a_single_place_is_that_place() -> None:
    heatmap = np.zeros((5, 8))
    heatmap[3, 6] = 1e-9
    assert heatmap_box(heatmap) == (6, 3, 7, 4)


def test_only_evidence_for_the_target_is_in_the_box() -> None:
    heatmap = np.full((5, 8), -9.0)
    heatmap[1:3, 2:6] = 1
    assert heatmap_box(heatmap) == (2, 1, 6, 3)


def test_what_is_not_finite_is_in_no_box() -> None:
    heatmap = np.zeros((5, 8))
    heatmap[0, 0], heatmap[0, 1], heatmap[4, 7] = np.nan, np.inf, 1
    assert heatmap_box(heatmap) == (7, 4, 8, 5)


@pytest.mark.parametrize(
    ("heatmap", "threshold"),
    [(np.zeros((5, 8)), 0.15), (np.full((5, 8), -1.0), 0.15), (np.full((2, 2), np.nan), 0.15), (np.ones((5, 8)), 1.0)],
    ids=["zeros", "evidence against", "NaN", "nothing over the threshold"],
)
def test_without_a_part_there_is_no_box(heatmap: NDArray[Any], threshold: float) -> None:
    assert heatmap_box(heatmap, threshold) is None


ENDS = {
    "turbo": ("#30123b", "#7a0403"),
    "viridis": ("#440154", "#fde725"),
    "magma": ("#000004", "#fcfdbf"),
    "coolwarm": ("#3b4cc0", "#b40426"),
    "gray": ("#000000", "#ffffff"),
}


def test_every_colour_map_is_known_here() -> None:
    assert set(COLORMAPS) == set(ENDS)


@pytest.mark.parametrize("name", COLORMAPS)
def test_a_colour_map_begins_and_ends_as_published(name: str) -> None:
    low, high = apply_colormap(np.array([0.0, 1.0]), name).tolist()
    assert tuple(low) == ImageColor.getrgb(ENDS[name][0])
    assert tuple(high) == ImageColor.getrgb(ENDS[name][1])


@pytest.mark.parametrize("name", COLORMAPS)
def test_a_colour_map_keeps_the_shape_and_clips_what_lies_outside(name: str) -> None:
    colors = apply_colormap(np.linspace(-1, 2, 12).reshape(3, 4), name)
    assert colors.dtype == np.uint8
    assert colors.shape == (3, 4, 3)
    assert np.array_equal(colors[0, 0], apply_colormap(np.array(0.0), name))
    assert np.array_equal(colors[2, 3], apply_colormap(np.array(1.0), name))


@pytest.mark.parametrize("name", ["viridis", "magma", "gray"])
def test_a_perceptual_colour_map_grows_brighter_all_the_way(name: str) -> None:
    brightness = apply_colormap(np.linspace(0, 1, 256), name) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(brightness) > -0.5).all()
    assert brightness[-1] - brightness[0] > 150


@pytest.mark.parametrize("name", COLORMAPS)
def test_neighbouring_values_have_neighbouring_colours(name: str) -> None:
    steps = np.abs(np.diff(apply_colormap(np.linspace(0, 1, 256), name).astype(int), axis=0)).max(axis=1)
    assert steps.max() <= 8
    assert len(np.unique(apply_colormap(np.linspace(0, 1, 256), name), axis=0)) > 200


def test_the_diverging_map_is_blue_below_pale_in_the_middle_and_red_above() -> None:
    against, none, in_favour = apply_colormap(np.array([0.0, 0.5, 1.0]), DIVERGING).astype(int)
    assert against[2] - against[0] > 100
    assert in_favour[0] - in_favour[2] > 100
    assert np.ptp(none) < 5


def test_an_unknown_colour_map_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        apply_colormap(np.zeros(1), "jet")


PICTURE = Image.new("RGB", (60, 40), (200, 100, 50))
REGION = (10.2, 4.9, 49.8, 35.1)


def test_outside_the_region_the_picture_is_darkened() -> None:
    drawn = np.asarray(overlay(PICTURE, np.ones((8, 8)), REGION))
    assert drawn.shape == (40, 60, 3)
    outside = np.ones((40, 60), dtype=bool)
    outside[5:35, 10:50] = False
    dark = (np.array([200, 100, 50]) * UNSEEN_BRIGHTNESS).astype(int)
    assert (drawn[outside] == dark).all()
    assert not (drawn[~outside] == dark).all(axis=1).any()


@pytest.mark.parametrize("opacity", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("colormap", SEQUENTIAL)
def test_the_strongest_places_are_laid_over_the_picture(colormap: str, opacity: float) -> None:
    drawn = np.asarray(overlay(PICTURE, np.ones((8, 8)), REGION, opacity=opacity, colormap=colormap))
    color = apply_colormap(np.array(1.0), colormap)
    expected = (1 - opacity) * np.array([200, 100, 50]) + opacity * color
    assert np.abs(drawn[5:35, 10:50] - expected).max() <= 2


def test_the_weaker_a_place_the_more_of_the_picture_shows_through() -> None:
    heatmap = np.repeat(np.linspace(0, 1, 60)[None], 40, axis=0)
    drawn = np.asarray(overlay(PICTURE, heatmap, (0, 0, 60, 40), opacity=1, colormap="gray"))[20].astype(float)
    # Grey has no tint, the picture's orange has.
    assert np.abs(drawn[0] - [200, 100, 50]).max() <= 2
    assert np.abs(drawn[-1] - 255).max() <= 2
    tint = np.abs(drawn[:, 0] - drawn[:, 2])
    assert (np.diff(tint) <= 1).all()


def test_the_heatmap_lies_where_the_region_is() -> None:
    heatmap = np.zeros((4, 4))
    heatmap[0, 3] = 1
    black = Image.new("RGB", (60, 40))
    drawn = np.asarray(overlay(black, heatmap, (20, 0, 60, 40), opacity=1, colormap="gray"))[:, :, 0]
    assert drawn[3, 57] == 255
    assert not drawn[16:].any()
    assert not drawn[:, :43].any()


def test_a_signed_heatmap_is_red_for_and_blue_against() -> None:
    heatmap = np.zeros((10, 10))
    heatmap[:, :5], heatmap[:, 5:] = -1, 1
    drawn = np.asarray(overlay(PICTURE, heatmap, (0, 0, 60, 40), opacity=1, colormap="viridis"))
    against, in_favour = apply_colormap(np.array([0.0, 1.0]), DIVERGING)
    assert (drawn[20, 5] == against).all()
    assert (drawn[20, 55] == in_favour).all()


def test_a_heatmap_of_zeros_leaves_the_picture_alone() -> None:
    drawn = overlay(PICTURE, np.zeros((7, 7)), (0, 0, 60, 40), opacity=1)
    assert np.array_equal(np.asarray(drawn), np.asarray(PICTURE))


def test_the_picture_itself_is_not_drawn_on() -> None:
    picture = PICTURE.copy()
    overlay(picture, np.ones((7, 7)), REGION)
    assert np.array_equal(np.asarray(picture), np.asarray(PICTURE))


@pytest.mark.parametrize(
    ("size", "region"),
    [
        ((1, 1), (0.0625, 0.0625, 0.9375, 0.9375)),
        ((10_000, 1), (4999.5625, 0.0625, 5000.4375, 0.9375)),
        ((1, 3), (0.1, 0.6, 0.9, 1.4)),
        ((2, 2), (1.5, 1.5, 2.0, 2.0)),
    ],
)
def test_a_region_smaller_than_a_pixel_is_still_seen(
    size: tuple[int, int], region: tuple[float, float, float, float]
) -> None:
    drawn = np.asarray(overlay(Image.new("RGB", size), np.ones((7, 7)), region, opacity=1, colormap="gray"))
    assert drawn.shape == (size[1], size[0], 3)
    assert (drawn == 255).any()


def masked(*shape: int, box: tuple[int, int, int, int]) -> Floats:
    """1 in a box (left, top, right, bottom), else 0."""
    mask = np.zeros(shape, dtype=np.float32)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = 1
    return mask


def test_a_cutout_shows_what_the_mask_keeps_and_darkens_the_rest() -> None:
    drawn = np.asarray(cutout(PICTURE, masked(40, 60, box=(20, 10, 40, 30)), (0, 0, 60, 40)))
    kept = np.zeros((40, 60), dtype=bool)
    kept[10:30, 20:40] = True
    edge = np.zeros((40, 60), dtype=bool)
    edge[9:31, 19:41] = True
    edge &= ~kept
    assert (drawn[kept] == [200, 100, 50]).all()
    assert (drawn[edge] == ImageColor.getrgb(OUTLINE)).all()
    assert (drawn[~kept & ~edge] == (np.array([200, 100, 50]) * OUTSIDE_BRIGHTNESS).astype(int)).all()


def test_a_mask_lies_where_its_region_is() -> None:
    drawn = np.asarray(cutout(PICTURE, np.ones((7, 7)), REGION))
    assert (drawn[5:35, 10:50] == [200, 100, 50]).all()
    assert not (drawn == [200, 100, 50]).all(axis=2)[np.r_[0:5, 35:40]].any()
    assert not (drawn == [200, 100, 50]).all(axis=2)[:, np.r_[0:10, 50:60]].any()


def test_an_empty_mask_darkens_the_whole_picture_and_has_no_outline() -> None:
    drawn = np.asarray(cutout(PICTURE, np.zeros((7, 7)), (0, 0, 60, 40)))
    assert (drawn == (np.array([200, 100, 50]) * OUTSIDE_BRIGHTNESS).astype(int)).all()


def test_a_mask_of_everything_leaves_the_picture_alone() -> None:
    drawn = cutout(PICTURE, np.ones((7, 7)), (0, 0, 60, 40))
    assert drawn.tobytes() == PICTURE.tobytes()


def test_the_picture_of_a_cutout_stays_what_it_is() -> None:
    picture = PICTURE.copy()
    cutout(picture, masked(7, 7, box=(2, 2, 5, 5)), REGION)
    assert picture.tobytes() == PICTURE.tobytes()


@pytest.mark.parametrize("size", [(60, 40), (450, 300), (1600, 1200)])
def test_the_outline_is_as_wide_as_the_picture_is_large(size: tuple[int, int]) -> None:
    mask = to_heatmap(noise(1, 9, 9), 224, 224) > 0
    picture = Image.new("RGB", size)
    drawn = np.asarray(cutout(picture, mask.astype(np.float32), (0, 0, *size)))
    kept = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    kept = kept.point(lambda value: 255 * (value > 127))
    width = max(1, min(size) // 150)
    expected = ImageChops.subtract(kept.filter(ImageFilter.MaxFilter(2 * width + 1)), kept)
    assert np.array_equal((drawn == ImageColor.getrgb(OUTLINE)).all(axis=2), np.asarray(expected) > 0)


def test_the_cutout_of_a_large_photograph_takes_no_longer_than_reading_it() -> None:
    picture = Image.new("RGB", (6000, 4000))
    started = time.perf_counter()
    cutout(picture, masked(224, 224, box=(50, 50, 150, 150)), (0, 0, 6000, 4000))
    # A second or two; a filter that looks at every pixel's neighbourhood takes minutes.
    assert time.perf_counter() - started < 20


TILE = Tile(Image.new("RGB", (50, 40), "red"), "caption", "note")


@pytest.mark.parametrize(
    ("rows", "columns"), [([], 0), ([[]], 0), ([[], []], 0), ([[TILE], []], 1), ([[TILE, TILE], [TILE]], 2)]
)
@pytest.mark.parametrize("titles", [(), ("first", "second")])
def test_a_sheet_has_room_for_every_row_and_column(
    rows: Sequence[Sequence[Tile]], columns: int, titles: Sequence[str]
) -> None:
    sheet = contact_sheet(rows, titles, cell=(100, 80))
    assert sheet.mode == "RGB"
    assert sheet.width == MARGIN + columns * (100 + MARGIN)
    assert sheet.height == MARGIN + len(rows) * (80 + CAPTION_HEIGHT + MARGIN) + (TITLE_HEIGHT if titles else 0)


def test_a_tile_stands_on_the_floor_of_its_cell_in_the_middle() -> None:
    sheet = np.asarray(contact_sheet([[TILE]], cell=(100, 80)))
    red = np.argwhere((sheet == [255, 0, 0]).all(axis=2))
    assert red.min(axis=0).tolist() == [MARGIN + 40, MARGIN + 25]
    assert red.max(axis=0).tolist() == [MARGIN + 79, MARGIN + 74]


@pytest.mark.parametrize("size", [(1000, 100), (100, 1000), (10_000, 1), (1, 10_000)])
def test_a_large_picture_is_shrunk_in_its_own_shape(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "red")
    sheet = np.asarray(contact_sheet([[Tile(picture)]], cell=(100, 80)))
    red = np.argwhere((sheet == [255, 0, 0]).all(axis=2))
    height, width = red.max(axis=0) - red.min(axis=0) + 1
    scale = min(100 / size[0], 80 / size[1])
    assert (width, height) == (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    assert picture.size == size


@pytest.mark.parametrize("caption", ["tabby", "", "Ägyptische Katze", "猫", "two\nlines", "long " * 100])
def test_any_caption_can_be_written(caption: str) -> None:
    bare = contact_sheet([[Tile(TILE.picture)]])
    written = contact_sheet([[Tile(TILE.picture, caption, caption)]])
    assert written.size == bare.size
    assert (np.asarray(written) != np.asarray(bare)).any() == bool(caption)


def test_titles_stand_above_their_columns() -> None:
    sheet = np.asarray(contact_sheet([[TILE, TILE]], ["saliency", "grad_cam"], cell=(100, 80)))
    head = (sheet[:TITLE_HEIGHT] != ImageColor.getrgb(PAPER)).any(axis=(0, 2))
    assert head[MARGIN : MARGIN + 100].any()
    assert head[2 * MARGIN + 100 :].any()
    assert not head[:MARGIN].any()


def panels(count: int) -> list[Panel]:
    """Of different colours."""
    pictures = [Image.new("RGB", (50, 40), (number, 0, 255)) for number in range(count)]
    return [Panel(picture, "saliency", "", f"class {number}") for number, picture in enumerate(pictures)]


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(0, 1, 1), (1, 2, 1), (3, 4, 1), (4, 4, 2), (7, 4, 2), (8, 4, 3), (32, 4, 9)]
)
def test_a_comparison_has_rows_of_up_to_four_with_the_picture_first(count: int, columns: int, rows: int) -> None:
    sheet = comparison_sheet(Image.new("RGB", (50, 40), "red"), "tabby 90.0%", panels(count))
    assert sheet.width == MARGIN + columns * (320 + MARGIN)
    assert sheet.height == MARGIN + rows * (214 + CAPTION_HEIGHT + MARGIN)
    pixels = np.asarray(sheet)
    assert (pixels == [255, 0, 0]).all(axis=2)[: MARGIN + 214, : MARGIN + 320].sum() == 50 * 40
    for number in range(count):
        row, column = divmod(number + 1, 4)
        top, left = MARGIN + row * (214 + CAPTION_HEIGHT + MARGIN), MARGIN + column * (320 + MARGIN)
        cell = pixels[top : top + 214, left : left + 320]
        assert (cell == [number, 0, 255]).all(axis=2).sum() == 50 * 40, f"panel {number}"


def test_a_panel_says_its_role_target_method_and_layer() -> None:
    picture = Image.new("RGB", (50, 40))
    whole = Panel(picture, "grad_cam", "layer4", "tabby 17.0%", "truth")
    expected = [[Tile(picture, "lynx 50.0%"), Tile(picture, "truth: tabby 17.0%", "grad_cam, layer4")]]
    assert comparison_sheet(picture, "lynx 50.0%", [whole]).tobytes() == contact_sheet(expected).tobytes()
    short = Panel(picture, "saliency", "", "tabby 17.0%")
    expected = [[Tile(picture), Tile(picture, "tabby 17.0%", "saliency")]]
    assert comparison_sheet(picture, "", [short]).tobytes() == contact_sheet(expected).tobytes()
