"""What an Attribution holds and draws."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convscope.client import Attribution, InvalidArgument, Preprocessed
from convscope.v1.attribution_service_pb2 import AttributeRequest, Overlay
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.method_pb2 import (
    GradCamParameters,
    GuidedBackpropParameters,
    InputXGradientParameters,
    Method,
    SaliencyParameters,
)
from tests.clients.answers import assert_close
from tests.clients.conftest import Ask
from tests.clients.names import LITE
from tests.processes import ServerProcess

PNG = b"\x89PNG\r\n\x1a\n"
UNSEEN = 0.45
# Of a layer, of the input, signed and added, the largest of three.
DRAWN = {
    "grad_cam": Method(grad_cam=GradCamParameters()),
    "saliency": Method(saliency=SaliencyParameters()),
    "input_x_gradient": Method(input_x_gradient=InputXGradientParameters()),
    "guided_backprop": Method(guided_backprop=GuidedBackpropParameters()),
}


@pytest.fixture
def preprocessed(ask: Ask) -> Attribution:
    """The answer to a question that holds no picture."""
    noise = np.random.default_rng(5).normal(size=(3, 224, 224))
    return ask(Preprocessed(noise))


def test_the_values_are_float32_in_the_methods_own_shape(explained: Attribution) -> None:
    assert explained.values.dtype == np.float32
    assert explained.values.shape == (1, 7, 7)
    assert (explained.method, explained.model, explained.precision) == ("grad_cam", LITE, "float32")
    assert explained.cached is False


def test_the_heatmap_is_float32_in_the_frame_of_the_models_input(ask: Ask, explained: Attribution) -> None:
    assert explained.input_size == explained.heatmap.shape == (224, 224)
    assert explained.heatmap.dtype == np.float32
    # Bilinear: nothing beyond the values, and the largest place is where the largest value is.
    assert explained.heatmap.min() >= explained.values.min()
    assert explained.heatmap.max() <= explained.values.max()
    row, column = np.unravel_index(explained.heatmap.argmax(), explained.heatmap.shape)
    assert (row // 32, column // 32) == np.unravel_index(explained.values[0].argmax(), explained.values[0].shape)


def test_the_heatmap_of_saliency_is_its_values(ask: Ask, cat_path: Path) -> None:
    answer = ask(cat_path, method="saliency")
    np.testing.assert_array_equal(answer.heatmap, answer.values[0])


def test_channels_that_tell_colours_apart_are_added_where_they_share_out_a_score(ask: Ask, cat_path: Path) -> None:
    answer = ask(cat_path, method="input_x_gradient")
    assert (answer.values.shape, answer.reduction) == ((3, 224, 224), "sum")
    np.testing.assert_allclose(answer.heatmap, answer.values[0] + answer.values[1] + answer.values[2], atol=1e-6)
    assert answer.heatmap.min() < 0


def test_of_channels_that_are_gradients_the_largest_magnitude_counts(ask: Ask, cat_path: Path) -> None:
    answer = ask(cat_path, method="guided_backprop")
    assert (answer.values.shape, answer.reduction) == ((3, 224, 224), "largest")
    np.testing.assert_array_equal(answer.heatmap, np.abs(answer.values).max(axis=0))


def test_only_methods_that_promise_a_sum_tell_by_how_much_they_miss_it(
    ask: Ask, explained: Attribution, cat_path: Path
) -> None:
    assert explained.convergence_error is None
    errors = [ask(cat_path, method="integrated_gradients", steps=steps).convergence_error for steps in (2, 40)]
    assert errors[0] is not None
    assert errors[1] is not None
    assert 0 < abs(errors[1]) < abs(errors[0]), "more steps, a smaller error"


def test_deep_lift_shares_out_the_whole_difference(ask: Ask, cat_path: Path) -> None:
    answer = ask(cat_path, method="deep_lift", fill="grey")
    assert (answer.values.shape, answer.reduction) == ((3, 224, 224), "sum")
    assert answer.convergence_error == pytest.approx(0, abs=1e-3 * abs(answer.explained))


@pytest.mark.parametrize("precision", [None, "float32", "bfloat16"])
def test_an_answer_says_what_the_network_computed_in(
    ask: Ask, explained: Attribution, cat_path: Path, precision: str | None
) -> None:
    answer = ask(cat_path, precision=precision)
    assert answer.precision == (precision or "float32")
    assert answer.values.dtype == np.float32, "what it comes as is said by data_type"
    difference = np.abs(answer.values - explained.values).max() / np.abs(explained.values).max()
    # bfloat16 keeps 8 bits, 0.4 %, at each of some fifty layers.
    assert (0.001 < difference < 0.05) if precision == "bfloat16" else difference < 1e-4


def test_an_answer_says_what_it_explains(explained: Attribution) -> None:
    assert explained.target is not None
    assert explained.target_name == explained.target.label == "tiger cat"
    assert str(explained) == str(explained.target) == f"tiger cat {explained.target.probability:.1%}"
    assert explained.explained == pytest.approx(explained.target.score, rel=1e-5)
    assert explained.segmentation is None


def test_the_box_is_around_the_evidence(explained: Attribution, cat: Image.Image) -> None:
    box = explained.box()
    assert box is not None
    left, top, right, bottom = box
    assert 0 <= left < right <= 224
    assert 0 <= top < bottom <= 224
    row, column = np.unravel_index(explained.heatmap.argmax(), explained.heatmap.shape)
    assert left <= column < right
    assert top <= row < bottom
    # What is in it or outside the largest part is all that is over 15 % of the maximum.
    strong = explained.heatmap > 0.15 * explained.heatmap.max()
    assert strong[top:bottom, left].any()
    assert strong[top:bottom, right - 1].any()
    assert strong[top, left:right].any()
    assert strong[bottom - 1, left:right].any()


def test_the_higher_the_threshold_the_smaller_the_box(explained: Attribution) -> None:
    boxes = [explained.box(threshold) for threshold in (0.3, 0.5, 0.7, 0.9)]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes if box]
    assert len(set(areas)) == 4
    assert areas == sorted(areas, reverse=True)
    assert explained.box(0.15) == explained.box()


def test_without_evidence_there_is_no_box(explained: Attribution) -> None:
    assert replace(explained, values=np.zeros_like(explained.values)).box() is None
    assert replace(explained, values=-explained.values - 1).box() is None


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_out_of_range_is_refused(explained: Attribution, threshold: float) -> None:
    with pytest.raises(InvalidArgument, match="threshold must be 0 to 1") as caught:
        explained.box(threshold)
    assert (caught.value.field, caught.value.reason) == ("threshold", "OUT_OF_RANGE")


@pytest.mark.parametrize("method", DRAWN)
def test_the_heatmap_and_the_overlay_are_those_that_the_server_draws(
    server: ServerProcess, ask: Ask, cat_path: Path, method: str
) -> None:
    answer = ask(cat_path, method=method)
    request = AttributeRequest(
        model=f"models/{LITE}",
        image=ImageMessage(encoded=cat_path.read_bytes()),
        method=DRAWN[method],
        heatmap=True,
        overlay=Overlay(),
    )
    with grpc.insecure_channel(server.address) as channel:
        response = AttributionServiceStub(channel).Attribute(request, timeout=30)
    drawn = np.frombuffer(response.heatmap.data, "<f4").reshape(tuple(response.heatmap.shape))
    assert_close(drawn, answer.heatmap)
    with Image.open(BytesIO(response.overlay)) as overlay:
        assert overlay.format == "PNG"
        difference = pixels(overlay) - pixels(answer.overlay())
    assert np.abs(difference).max() <= 1, "more than rounding"


def test_the_region_is_the_middle_square_of_the_original(explained: Attribution, cat: Image.Image) -> None:
    left, top, right, bottom = explained.region
    assert 0 < left < right < cat.width
    assert 0 < top < bottom < cat.height
    assert right - left == pytest.approx(bottom - top, abs=1)
    assert left + right == pytest.approx(cat.width, abs=1)
    assert top + bottom == pytest.approx(cat.height, abs=1)


def test_the_overlay_has_the_size_of_the_original_and_darkens_what_was_not_seen(
    explained: Attribution, cat: Image.Image
) -> None:
    overlay = explained.overlay()
    assert (overlay.size, overlay.mode) == (cat.size, "RGB")
    left, _, right, _ = (round(edge) for edge in explained.region)
    dark = (np.asarray(cat) * UNSEEN).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(overlay)[:, :left], dark[:, :left])
    np.testing.assert_array_equal(np.asarray(overlay)[:, right:], dark[:, right:])


def test_an_overlay_of_no_opacity_shows_the_picture(explained: Attribution, cat: Image.Image) -> None:
    box = tuple(round(edge) for edge in explained.region)
    seen = explained.overlay(opacity=0).crop(box)  # type: ignore[arg-type]
    assert seen.tobytes() == cat.crop(box).tobytes()  # type: ignore[arg-type]


def test_opacity_and_colour_map_change_the_overlay(explained: Attribution) -> None:
    drawings = [
        explained.overlay(),
        explained.overlay(opacity=0.2),
        explained.overlay(colormap="viridis"),
        explained.overlay(colormap="gray"),
    ]
    assert len({drawing.tobytes() for drawing in drawings}) == len(drawings)


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_out_of_range_is_refused(explained: Attribution, opacity: float) -> None:
    with pytest.raises(InvalidArgument, match="opacity must be 0 to 1") as caught:
        explained.overlay(opacity=opacity)
    assert (caught.value.field, caught.value.reason) == ("opacity", "OUT_OF_RANGE")


def test_an_unknown_colour_map_is_refused_with_the_known_ones(explained: Attribution) -> None:
    with pytest.raises(InvalidArgument, match="turbo, viridis, magma") as caught:
        explained.overlay(colormap="jet")
    assert (caught.value.field, caught.value.reason) == ("colormap", "UNKNOWN_COLORMAP")


def test_a_preprocessed_answer_needs_a_picture_to_draw_on(preprocessed: Attribution, cat: Image.Image) -> None:
    with pytest.raises(InvalidArgument, match="picture=") as caught:
        preprocessed.overlay()
    assert (caught.value.field, caught.value.reason) == ("picture", "NO_PICTURE")
    overlay = preprocessed.overlay(picture=cat)
    assert overlay.size == cat.size
    assert preprocessed._repr_png_() is None


def test_drawing_on_the_original_given_again_changes_nothing(explained: Attribution, cat: Image.Image) -> None:
    assert explained.overlay(picture=cat).tobytes() == explained.overlay().tobytes()


def test_an_enlarged_original_is_drawn_on_at_the_same_places(explained: Attribution, cat: Image.Image) -> None:
    enlarged = cat.resize((3 * cat.width, 3 * cat.height), Image.Resampling.NEAREST)
    overlay = explained.overlay(picture=enlarged).resize(cat.size, Image.Resampling.BOX)
    difference = np.abs(pixels(overlay) - pixels(explained.overlay()))
    assert difference.mean() < 2, "the heatmap lies elsewhere"


def test_a_grey_picture_can_be_drawn_on(preprocessed: Attribution, cat: Image.Image) -> None:
    grey = cat.convert("L")
    assert preprocessed.overlay(picture=grey).tobytes() == preprocessed.overlay(picture=grey.convert("RGB")).tobytes()


def test_a_notebook_shows_the_overlay(explained: Attribution) -> None:
    shown = explained._repr_png_()
    assert shown is not None
    assert shown.startswith(PNG)
    with Image.open(BytesIO(shown)) as picture:
        assert picture.convert("RGB").tobytes() == explained.overlay().tobytes()


@pytest.mark.parametrize("as_str", [True, False])
def test_save_writes_the_overlay_or_the_values(explained: Attribution, tmp_path: Path, as_str: bool) -> None:
    drawing, values = tmp_path / "why.png", tmp_path / "why.npy"
    for path in (drawing, values):
        explained.save(str(path) if as_str else path)
    with Image.open(drawing) as picture:
        assert picture.tobytes() == explained.overlay().tobytes()
    np.testing.assert_array_equal(np.load(values), explained.values)


@pytest.mark.parametrize(("suffix", "file_format"), [("jpg", "JPEG"), ("webp", "WEBP")])
def test_save_writes_other_pictures_by_their_suffix(
    explained: Attribution, tmp_path: Path, suffix: str, file_format: str
) -> None:
    path = tmp_path / f"why.{suffix}"
    explained.save(path)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == (file_format, explained.overlay().size)


@pytest.mark.parametrize("name", ["why", "why.doc"])
def test_save_refuses_a_name_that_is_no_pictures(explained: Attribution, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"\.png"):
        explained.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_float16_halves_the_values_and_hardly_changes_them(ask: Ask, cat_path: Path, method: str) -> None:
    half, whole = (ask(cat_path, method=method, data_type=data_type) for data_type in ("float16", "float32"))
    assert half.values.dtype == np.float16
    assert half.values.shape == whole.values.shape
    assert half.precision == "float32", "what the pass computed in"
    np.testing.assert_allclose(half.values, whole.values, rtol=1e-3, atol=1e-4 * np.abs(whole.values).max())
    assert half.heatmap.dtype == np.float32
    assert half.overlay().size == whole.overlay().size


def pixels(picture: Image.Image) -> NDArray[np.int16]:
    """RGB, in numbers that can be subtracted."""
    return np.asarray(picture.convert("RGB")).astype(np.int16)
