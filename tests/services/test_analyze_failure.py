"""A failure is explained by what speaks for the answer, beside what speaks for the truth."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from convscope.client.tensors import from_array, to_array
from convscope.v1.attribution_service_pb2 import (
    PRECISION_FLOAT32,
    AnalyzeFailureRequest,
    AnalyzeFailureResponse,
    AttributeRequest,
    Overlay,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from convscope.v1.target_pb2 import ClassReference, Target
from convscope.v1.tensor_pb2 import DataType
from tests.services.asking import CONVOLUTIONAL, method
from tests.services.calls import SECONDS, Stubs, refusal
from tests.services.held import Pace, TeamServer, question
from tests.services.pictures import to_file
from tests.services.test_compare import assert_is_the_single_answer

LITE0 = "models/efficientnet_lite0"
CAT = 285  # Egyptian cat


@pytest.fixture(scope="module")
def cat_png(cat: PillowImage.Image) -> Image:
    return Image(encoded=to_file(cat))


@pytest.fixture(scope="module")
def top(stubs: Stubs, cat_png: Image) -> int:
    """What the model says of the cat."""
    request = AttributeRequest(model=LITE0, image=cat_png, method=method("grad_cam"))
    return stubs.attribute(request, timeout=SECONDS).target.index


def analyze(stubs: Stubs, image: Image, truth: int | str, **fields: Any) -> AnalyzeFailureResponse:
    reference = ClassReference(label=truth) if isinstance(truth, str) else ClassReference(index=truth)
    request = AnalyzeFailureRequest(**{"model": LITE0, "image": image, "truth": reference, **fields})
    return stubs.analyze_failure(request, timeout=SECONDS)


def assert_both_are_the_single_answers(
    stubs: Stubs, found: AnalyzeFailureResponse, image: Image, truth: int, asked: Method, **fields: Any
) -> None:
    single = AttributeRequest(model=LITE0, image=image, method=asked, **fields)
    assert_is_the_single_answer(found.said, stubs.attribute(single, timeout=SECONDS), "said")
    single.target.CopyFrom(Target(class_index=truth))
    assert_is_the_single_answer(found.truth, stubs.attribute(single, timeout=SECONDS), "truth")


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_both_explanations_are_those_of_single_calls(name: str, stubs: Stubs, cat_png: Image) -> None:
    parameters = {**CONVOLUTIONAL[name], **({"layer": "blocks.3"} if name == "ablation_cam" else {})}
    found = analyze(stubs, cat_png, 7, method=method(name, parameters), heatmap=True, top_k=3)
    assert_both_are_the_single_answers(stubs, found, cat_png, 7, method(name, parameters), heatmap=True, top_k=3)
    assert found.said.precision == found.truth.precision == PRECISION_FLOAT32
    assert not found.contact_sheet


def test_grad_cam_is_used_where_no_method_is_named(stubs: Stubs, cat_png: Image) -> None:
    found = analyze(stubs, cat_png, "lynx")
    assert_both_are_the_single_answers(stubs, found, cat_png, 287, method("grad_cam"))
    assert found.said.layer == found.truth.layer == "head"
    assert len(found.said.predictions) == 5


def test_what_the_model_said_is_right_where_it_is_the_truth(stubs: Stubs, cat_png: Image, top: int) -> None:
    right, wrong = analyze(stubs, cat_png, top), analyze(stubs, cat_png, top + 1)
    assert (right.correct, wrong.correct) == (True, False)
    assert right.said.target == right.truth.target
    assert right.said.target.index == wrong.said.target.index == top
    assert wrong.truth.target.index == top + 1
    assert np.array_equal(to_array(right.said.attribution), to_array(right.truth.attribution))
    assert not np.array_equal(to_array(wrong.said.attribution), to_array(wrong.truth.attribution))


def test_the_truth_may_be_given_by_its_label(stubs: Stubs, cat_png: Image, top: int) -> None:
    named = analyze(stubs, cat_png, "egyptian CAT")
    assert named == analyze(stubs, cat_png, CAT)
    assert named.truth.target_name == "Egyptian cat"
    label = named.said.target.label
    assert analyze(stubs, cat_png, label).correct
    assert named.correct == (top == CAT)


def test_both_are_written_as_they_are_asked_for(stubs: Stubs, cat_png: Image) -> None:
    fields: dict[str, Any] = {"data_type": DataType.DATA_TYPE_FLOAT16, "heatmap": True, "top_k": 0}
    found = analyze(stubs, cat_png, 7, **fields)
    assert_both_are_the_single_answers(stubs, found, cat_png, 7, method("grad_cam"), **fields)
    for one in (found.said, found.truth):
        assert one.attribution.data_type == one.heatmap.data_type == DataType.DATA_TYPE_FLOAT16
        assert not one.predictions


@pytest.mark.parametrize(
    ("options", "file_format"),
    [(Overlay(), "PNG"), (Overlay(format=Overlay.FORMAT_PNG), "PNG"), (Overlay(format=Overlay.FORMAT_JPEG), "JPEG")],
    ids=["nothing said", "PNG", "JPEG"],
)
def test_the_sheet_shows_picture_answer_and_truth_side_by_side(
    options: Overlay, file_format: str, stubs: Stubs, cat: PillowImage.Image, cat_png: Image
) -> None:
    sheet = PillowImage.open(BytesIO(analyze(stubs, cat_png, 7, contact_sheet=options).contact_sheet))
    sheet.load()
    assert sheet.format == file_format
    assert sheet.width > 2 * cat.width
    assert sheet.width > 3 * sheet.height


def test_a_preprocessed_picture_is_analysed_without_a_drawing(stubs: Stubs) -> None:
    values = np.random.default_rng(4).standard_normal((3, 224, 224)).astype(np.float32)
    image = Image(preprocessed=from_array(values))
    found = analyze(stubs, image, 7, method=method("saliency"))
    assert_both_are_the_single_answers(stubs, found, image, 7, method("saliency"))
    assert not found.said.overlay


def test_the_precision_is_named(stubs: Stubs, cat_png: Image) -> None:
    found = analyze(stubs, cat_png, 7, precision=PRECISION_FLOAT32)
    assert found.said.precision == found.truth.precision == PRECISION_FLOAT32


def test_both_share_a_pass(team: TeamServer, pace: Pace) -> None:
    request = AnalyzeFailureRequest(model="models/paced", image=question(1).image, truth=ClassReference(index=3))
    assert team.stubs.analyze_failure(request, timeout=SECONDS).truth.attribution.data
    assert pace.sizes() == [1]


def test_a_truth_that_two_classes_share_is_refused_with_their_indices(team: TeamServer) -> None:
    request = AnalyzeFailureRequest(
        model="models/light", image=question(1, "light").image, truth=ClassReference(label="crane")
    )
    found = refusal(lambda: team.stubs.analyze_failure(request, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == ("INVALID_ARGUMENT", "AMBIGUOUS_CLASS", "truth")
    assert "0, 3" in found.message
