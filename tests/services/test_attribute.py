"""What the server answers is what the engine computes, in the shape that was asked for."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor

from convscope.client import Client, Preprocessed
from convscope.client.tensors import from_array, to_array
from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model
from convscope.engine.models.variants import bfloat16_supported
from convscope.v1.attribution_service_pb2 import (
    PRECISION_BFLOAT16,
    PRECISION_FLOAT32,
    REDUCTION_LARGEST,
    REDUCTION_SUM,
    AttributeRequest,
    AttributeResponse,
    ClassifyRequest,
    Overlay,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.target_pb2 import Target
from convscope.v1.tensor_pb2 import DataType
from tests.engine.rounding import assert_same_but_rounding
from tests.services.asking import CAMS, CONVOLUTIONAL, Parameters, method
from tests.services.calls import SECONDS, Stubs
from tests.services.held import TeamServer, question
from tests.services.pictures import to_file
from tests.services.team.networks import SIZE

MODELS = ("efficientnet_lite0", "resnet18_seeded")
SUGGESTED = {"efficientnet_lite0": "head", "resnet18_seeded": "layer4"}
LAYERS = {"efficientnet_lite0": "blocks.10", "resnet18_seeded": "layer3.1.conv2"}
CAT = 285  # Egyptian cat
FLOAT16, FLOAT32 = DataType.DATA_TYPE_FLOAT16, DataType.DATA_TYPE_FLOAT32


@dataclass(frozen=True)
class Question:
    """A picture's explanation, asked of the server and of the engine."""

    model: str
    method: str
    parameters: Parameters
    target: str
    """How the class is given."""

    def __str__(self) -> str:
        return f"{self.model}-{self.method}-{self.parameters}-{self.target}"


QUESTIONS = [
    Question(model, name, parameters, target)
    for model in MODELS
    for name, parameters in (
        ("saliency", {}),
        ("saliency", {"abs": True}),
        ("saliency", {"abs": False}),
        ("grad_cam", {}),
        ("grad_cam", {"relu": True}),
        ("grad_cam", {"relu": False}),
        ("grad_cam", {"layer": LAYERS[model], "relu": False}),
    )
    for target in ("index", "label", "none")
]


def request_of(model: str, image: Image, name: str, parameters: Parameters, **fields: Any) -> AttributeRequest:
    return AttributeRequest(model=f"models/{model}", image=image, method=method(name, parameters), **fields)


def prepare(model: Model, picture: PillowImage.Image) -> Tensor:
    """As Preprocessing documents it, by torch alone: [1, 3, H, W]."""
    pixels, _ = model.preprocessing.crop(picture)
    mean, std = (
        torch.tensor(channels).view(3, 1, 1) for channels in (model.preprocessing.mean, model.preprocessing.std)
    )
    return ((pixels / 255 - mean) / std).unsqueeze(0)


def as_tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.copy()).unsqueeze(0)


@pytest.fixture(scope="module")
def cat_png(cat: PillowImage.Image) -> Image:
    return Image(encoded=to_file(cat))


@pytest.fixture(scope="module")
def answer(stubs: Stubs, cat_png: Image) -> AttributeResponse:
    """A plain Grad-CAM of the cat."""
    return stubs.attribute(request_of("efficientnet_lite0", cat_png, "grad_cam", {}), timeout=SECONDS)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_the_values_are_those_of_the_engine(
    question: Question, stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image
) -> None:
    here = models_here[question.model]
    images = prepare(here, cat)
    target, expected_target = {
        "index": (Target(class_index=CAT), CAT),
        "label": (Target(class_label="egyptian CAT"), CAT),
        "none": (None, int(here.module(images).argmax())),
    }[question.target]
    image = Image(preprocessed=from_array(images[0].numpy()))
    request = request_of(question.model, image, question.method, question.parameters, target=target)
    response = stubs.attribute(request, timeout=SECONDS)
    expected = attribute(here.module, images, expected_target, question.method, **question.parameters)
    assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected)
    assert response.target.index == expected_target
    assert response.target.label == here.labels[expected_target]
    assert response.attribution.data_type == FLOAT32


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["saliency", "grad_cam"])
def test_a_file_its_pixels_and_the_models_input_get_the_same_answer(
    name: str, model: str, stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image
) -> None:
    prepared = prepare(models_here[model], cat)
    images = {
        "encoded": Image(encoded=to_file(cat)),
        "pixels": Image(pixels=from_array(np.asarray(cat))),
        "preprocessed": Image(preprocessed=from_array(prepared[0].numpy())),
    }
    found = {
        kind: stubs.attribute(request_of(model, image, name, {}, target=Target(class_index=CAT)), timeout=SECONDS)
        for kind, image in images.items()
    }
    expected = attribute(models_here[model].module, prepared, CAT, name)
    for response in found.values():
        assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected)
    assert found["encoded"].region == found["pixels"].region
    region = found["preprocessed"].region
    assert (region.left, region.top, region.right, region.bottom) == (0, 0, 224, 224)


def test_a_float16_input_is_taken_as_it_is(stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image) -> None:
    half = prepare(models_here["efficientnet_lite0"], cat).half()
    image = Image(preprocessed=from_array(half[0].numpy()))
    response = stubs.attribute(request_of("efficientnet_lite0", image, "saliency", {}), timeout=SECONDS)
    expected = attribute(models_here["efficientnet_lite0"].module, half.float(), None, "saliency")
    assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected)


OF_COLOURS = (
    "gradient", "input_x_gradient", "deconvnet", "guided_backprop", "guided_grad_cam", "integrated_gradients",
    "deep_lift",
)  # fmt: skip
ABOUT_STRENGTH = ("gradient", "deconvnet", "guided_backprop", "guided_grad_cam", "smooth_grad", "var_grad")


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_method_is_what_the_engine_computes_in_its_own_shape(
    name: str, stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image
) -> None:
    here, parameters = models_here["efficientnet_lite0"], CONVOLUTIONAL[name]
    images = prepare(here, cat)
    image = Image(preprocessed=from_array(images[0].numpy()))
    request = request_of(
        "efficientnet_lite0", image, name, parameters, target=Target(class_index=CAT), top_k=1000, heatmap=True
    )
    response = stubs.attribute(request, timeout=SECONDS)
    expected = attribute_fully(here.module, images, CAT, name, preprocessing=here.preprocessing, **parameters)
    found = to_array(response.attribution)
    assert_same_but_rounding(as_tensor(found), expected.values)
    channels = 3 if name in OF_COLOURS else 1
    side = 7 if name in CAMS or parameters.get("base_method") == "grad_cam" else 224
    assert list(response.attribution.shape) == [channels, side, side]
    assert response.explained == pytest.approx(float(expected.explained), rel=1e-4)
    scores = np.array([one.score for one in sorted(response.predictions, key=lambda one: one.index)])
    np.testing.assert_allclose(scores, expected.scores[0].numpy(), rtol=1e-4, atol=1e-4)
    assert response.reduction == (REDUCTION_LARGEST if name in ABOUT_STRENGTH else REDUCTION_SUM)
    if side == 224:
        reduced = np.abs(found).max(axis=0) if name in ABOUT_STRENGTH else found.sum(axis=0)
        assert np.array_equal(to_array(response.heatmap), reduced)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_methods_that_promise_a_sum_say_how_far_they_miss_it(
    name: str, stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image
) -> None:
    here, parameters = models_here["efficientnet_lite0"], CONVOLUTIONAL[name]
    images = prepare(here, cat)
    image = Image(preprocessed=from_array(images[0].numpy()))
    response = stubs.attribute(
        request_of("efficientnet_lite0", image, name, parameters, target=Target(class_index=CAT)), timeout=SECONDS
    )
    assert response.HasField("convergence_error") == (name in ("integrated_gradients", "deep_lift"))
    if not response.HasField("convergence_error"):
        return
    mean, std = (
        torch.tensor(channels).view(1, 3, 1, 1) for channels in (here.preprocessing.mean, here.preprocessing.std)
    )
    color = parameters.get("fill_color")
    shade = images.mean(dim=(2, 3), keepdim=True)
    if color is not None:
        shade = (torch.tensor(color).view(1, 3, 1, 1) - mean) / std
    empty = shade.expand_as(images).contiguous()
    rise = float(here.module(images)[0, CAT] - here.module(empty)[0, CAT])
    total = float(to_array(response.attribution).sum(dtype=np.float64))
    assert total - rise == pytest.approx(response.convergence_error, abs=1e-3)


def test_what_segment_found_is_described(stubs: Stubs, cat_png: Image) -> None:
    request = request_of("efficientnet_lite0", cat_png, "segment", {}, overlay=Overlay())
    response = stubs.attribute(request, timeout=SECONDS)
    found, mask = response.segmentation, to_array(response.attribution)[0]
    assert set(np.unique(mask)) == {0, 1}
    assert not found.note
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = found.box
    assert (box.left, box.top, box.right, box.bottom) == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert found.outlines
    for outline in found.outlines:
        assert len(outline.x) == len(outline.y) > 0
        assert box.left <= min(outline.x) <= max(outline.x) <= box.right
        assert box.top <= min(outline.y) <= max(outline.y) <= box.bottom
    assert found.heatmap_box.left < found.heatmap_box.right
    assert PillowImage.open(BytesIO(response.overlay)).size == (451, 300)
    other = stubs.attribute(request_of("efficientnet_lite0", cat_png, "saliency", {}), timeout=SECONDS)
    assert not other.HasField("segmentation")


@pytest.mark.parametrize(
    ("name", "shape"), [("saliency", [1, 224, 224]), ("grad_cam", [1, 7, 7]), ("gradient", [3, 224, 224])]
)
def test_the_attribution_has_the_methods_own_shape(name: str, shape: list[int], stubs: Stubs, cat_png: Image) -> None:
    response = stubs.attribute(request_of("efficientnet_lite0", cat_png, name, {}), timeout=SECONDS)
    assert list(response.attribution.shape) == shape
    assert (response.input_height, response.input_width) == (224, 224)


@pytest.mark.parametrize("model", MODELS)
def test_the_answer_names_the_layer(model: str, stubs: Stubs, cat_png: Image) -> None:
    def layer(name: str, parameters: Parameters) -> str:
        return stubs.attribute(request_of(model, cat_png, name, parameters), timeout=SECONDS).layer

    assert layer("grad_cam", {}) == SUGGESTED[model]
    assert layer("grad_cam", {"layer": LAYERS[model]}) == LAYERS[model]
    assert layer("smooth_grad", {"base_method": "grad_cam", "samples": 1}) == SUGGESTED[model]
    assert layer("saliency", {}) == ""


def test_the_answer_names_the_precision(answer: AttributeResponse, stubs: Stubs, cat_png: Image) -> None:
    request = request_of("efficientnet_lite0", cat_png, "grad_cam", {}, precision=PRECISION_FLOAT32)
    assert answer.precision == PRECISION_FLOAT32
    assert stubs.attribute(request, timeout=SECONDS) == answer


def test_bfloat16_is_what_the_engine_computes_in_it_or_refused_where_the_device_has_none(
    answer: AttributeResponse,
    stubs: Stubs,
    cat_png: Image,
    cat: PillowImage.Image,
    models_here: dict[str, Model],
) -> None:
    request = request_of("efficientnet_lite0", cat_png, "grad_cam", {}, precision=PRECISION_BFLOAT16)
    if not bfloat16_supported(torch.device("cpu")):
        with pytest.raises(grpc.RpcError, match="does not compute in bfloat16") as caught:
            stubs.attribute(request, timeout=SECONDS)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        return
    response = stubs.attribute(request, timeout=SECONDS)
    assert response.precision == PRECISION_BFLOAT16
    model = models_here["efficientnet_lite0"]
    images = prepare(model, cat)
    found = as_tensor(to_array(response.attribution))
    assert_same_but_rounding(found, attribute(model.variant("bfloat16", ["head"]), images, None, "grad_cam"))
    exact = as_tensor(to_array(answer.attribution))
    # 8 bits of mantissa: another answer, and near.
    assert 1e-4 < (found - exact).abs().max() / exact.abs().max() < 0.05


def test_attention_rollout_of_a_transformer_is_what_the_engine_computes(team: TeamServer) -> None:
    size = {"resize": SIZE, "height": SIZE, "width": SIZE}
    network = "tests.services.team.networks:attentive"
    entry = Entry(name="attentive", source="factory", network=network, preprocessing=size, seed=5)
    here = Catalogue({"attentive": entry}).load("attentive")
    asked = question(1, "attentive")
    asked.method.CopyFrom(method("attention_rollout"))
    response = team.stubs.attribute(asked, timeout=SECONDS)
    images = torch.from_numpy(to_array(asked.image.preprocessed).copy()).unsqueeze(0)
    expected = attribute(here.module, images, 1, "attention_rollout")
    assert list(response.attribution.shape) == [1, 4, 4]
    assert_same_but_rounding(as_tensor(to_array(response.attribution)), expected)
    assert response.layer == ""


def test_nothing_that_was_not_asked_for_is_sent(answer: AttributeResponse) -> None:
    assert not answer.HasField("heatmap")
    assert not answer.HasField("segmentation")
    assert not answer.HasField("convergence_error")
    assert not answer.overlay
    assert not answer.cached


@pytest.mark.parametrize("name", ["saliency", "grad_cam", "gradient"])
def test_float16_is_the_float32_answer_rounded(name: str, stubs: Stubs, cat_png: Image) -> None:
    full, half = (
        stubs.attribute(
            request_of("efficientnet_lite0", cat_png, name, {}, data_type=data_type, heatmap=True), timeout=SECONDS
        )
        for data_type in (FLOAT32, FLOAT16)
    )
    for one, other in ((half.attribution, full.attribution), (half.heatmap, full.heatmap)):
        assert one.data_type == FLOAT16
        assert len(one.data) * 2 == len(other.data)
        values = to_array(other)
        np.testing.assert_allclose(to_array(one), values, rtol=1e-3, atol=1e-6 + 2e-5 * np.abs(values).max())


def test_a_saliency_heatmap_is_the_attribution(stubs: Stubs, cat_png: Image) -> None:
    response = stubs.attribute(request_of("efficientnet_lite0", cat_png, "saliency", {}, heatmap=True), timeout=SECONDS)
    assert np.array_equal(to_array(response.heatmap), to_array(response.attribution)[0])


def test_a_grad_cam_heatmap_is_the_attribution_upsampled_bilinearly(stubs: Stubs, cat_png: Image) -> None:
    request = request_of("efficientnet_lite0", cat_png, "grad_cam", {"relu": False}, heatmap=True)
    response = stubs.attribute(request, timeout=SECONDS)
    values = as_tensor(to_array(response.attribution))
    expected = torch.nn.functional.interpolate(values, (224, 224), mode="bilinear")[0]
    assert_same_but_rounding(as_tensor(to_array(response.heatmap)), expected)


@pytest.mark.parametrize("model", MODELS)
def test_the_predictions_are_those_of_classify(model: str, stubs: Stubs, cat_png: Image) -> None:
    request = request_of(model, cat_png, "saliency", {}, top_k=7)
    explained = stubs.attribute(request, timeout=SECONDS)
    classified = stubs.classify(ClassifyRequest(model=request.model, image=cat_png, top_k=7), timeout=SECONDS)
    assert len(explained.predictions) == 7
    assert explained.region == classified.region
    for one, other in zip(explained.predictions, classified.predictions, strict=True):
        assert (one.index, one.label) == (other.index, other.label)
        assert one.score == pytest.approx(other.score, rel=1e-4)
        assert one.probability == pytest.approx(other.probability, rel=1e-3)
    assert explained.target.index == explained.predictions[0].index


@pytest.mark.parametrize("model", MODELS)
def test_the_predictions_are_the_softmax_of_the_engines_scores(
    model: str, stubs: Stubs, models_here: dict[str, Model], cat: PillowImage.Image, cat_png: Image
) -> None:
    scores = models_here[model].module(prepare(models_here[model], cat))[0].double()
    request = request_of(model, cat_png, "grad_cam", {}, top_k=1000, target=Target(class_index=CAT))
    response = stubs.attribute(request, timeout=SECONDS)
    found = {prediction.index: prediction for prediction in response.predictions}
    assert sorted(found) == list(range(1000))
    probabilities = [prediction.probability for prediction in response.predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    for index in (int(scores.argmax()), CAT, int(scores.argmin())):
        assert found[index].score == pytest.approx(float(scores[index]), rel=1e-4)
        assert found[index].probability == pytest.approx(float(scores.softmax(0)[index]), rel=1e-3)
        assert found[index].label == models_here[model].labels[index]
    assert found[CAT] == response.target


def test_top_k_is_five_where_nothing_is_said_and_none_where_zero_is(
    answer: AttributeResponse, stubs: Stubs, cat_png: Image
) -> None:
    request = request_of("efficientnet_lite0", cat_png, "grad_cam", {}, top_k=0)
    none = stubs.attribute(request, timeout=SECONDS)
    assert len(answer.predictions) == 5
    assert len(none.predictions) == 0
    assert none.target == answer.target


def test_the_cat_is_a_cat_and_the_grad_cam_peak_is_on_it(client: Client, cat: PillowImage.Image) -> None:
    found = client.attribute(cat, model="efficientnet_lite0", method="grad_cam")
    assert found.target is not None
    assert found.target.index in range(281, 286), found.target
    row, column = np.unravel_index(found.heatmap.argmax(), found.heatmap.shape)
    left, top, right, bottom = found.region
    x, y = left + (column + 0.5) / 224 * (right - left), top + (row + 0.5) / 224 * (bottom - top)
    # Chelsea's face in the photograph of 451 x 300.
    assert 90 < x < 300, (x, y)
    assert 20 < y < 270, (x, y)


def test_the_region_is_the_part_that_resize_and_crop_leave(answer: AttributeResponse) -> None:
    # 451 x 300 is scaled to 384 x 256, of which the middle 224 x 224 are seen: from 80 and 16 on.
    region = answer.region
    assert region.left == pytest.approx(80 * 451 / 384)
    assert region.right == pytest.approx(304 * 451 / 384)
    assert region.top == pytest.approx(16 * 300 / 256)
    assert region.bottom == pytest.approx(240 * 300 / 256)


@pytest.mark.parametrize(
    ("options", "file_format"),
    [
        (Overlay(), "PNG"),
        (Overlay(format=Overlay.FORMAT_PNG), "PNG"),
        (Overlay(format=Overlay.FORMAT_JPEG), "JPEG"),
    ],
    ids=["nothing said", "PNG", "JPEG"],
)
def test_the_overlay_is_a_picture_of_the_originals_size(
    options: Overlay, file_format: str, stubs: Stubs, cat: PillowImage.Image, cat_png: Image
) -> None:
    request = request_of("efficientnet_lite0", cat_png, "grad_cam", {}, overlay=options)
    with PillowImage.open(BytesIO(stubs.attribute(request, timeout=SECONDS).overlay)) as drawn:
        assert drawn.format == file_format
        assert drawn.size == cat.size
        drawn.load()


def draw(stubs: Stubs, image: Image, **options: Any) -> NDArray[np.uint8]:
    request = request_of("efficientnet_lite0", image, "grad_cam", {}, overlay=Overlay(**options))
    return np.asarray(PillowImage.open(BytesIO(stubs.attribute(request, timeout=SECONDS).overlay)))


def test_the_overlay_shows_the_picture_where_it_is_transparent_and_dark_where_nothing_was_seen(
    stubs: Stubs, cat: PillowImage.Image, cat_png: Image
) -> None:
    drawn, original = draw(stubs, cat_png, opacity=0), np.asarray(cat)
    assert np.array_equal(drawn[20:280, 95:356], original[20:280, 95:356])
    outside = original[:, :93].astype(int)
    assert (np.abs(drawn[:, :93] - outside * 0.45) <= 1).all()


def test_the_overlay_is_drawn_in_the_colours_that_are_asked_for(
    stubs: Stubs, cat: PillowImage.Image, cat_png: Image
) -> None:
    grey = draw(stubs, cat_png, opacity=1, colormap="gray").astype(int)
    strongest = np.unravel_index((grey[..., 0] == 255).argmax(), grey.shape[:2])
    assert tuple(grey[strongest]) == (255, 255, 255)
    turbo, viridis = (draw(stubs, cat_png, opacity=1, colormap=name)[strongest] for name in ("turbo", "viridis"))
    # The maps' last colours; the strongest place is a mean of four, of which not all are the strongest.
    assert np.abs(viridis.astype(int) - (0xFD, 0xE7, 0x25)).max() <= 3
    assert np.abs(turbo.astype(int) - (0x7A, 0x04, 0x03)).max() <= 3
    assert np.array_equal(draw(stubs, cat_png), draw(stubs, cat_png, opacity=0.7, colormap="turbo"))
    assert not np.array_equal(draw(stubs, cat_png), draw(stubs, cat_png, opacity=0.2))


def test_the_sdk_gives_the_same_as_the_bare_call(
    client: Client, answer: AttributeResponse, cat: PillowImage.Image
) -> None:
    found = client.attribute(cat, model="efficientnet_lite0", method="grad_cam")
    assert_same_but_rounding(as_tensor(found.values), as_tensor(to_array(answer.attribution)))
    assert found.target is not None
    assert found.target.index == answer.target.index
    assert found.layer == answer.layer
    grey = Preprocessed(np.zeros((3, 224, 224)))
    named = client.attribute(grey, model="efficientnet_lite0", method="grad_cam", target="Egyptian cat")
    assert named.target is not None
    assert named.target.index == CAT
