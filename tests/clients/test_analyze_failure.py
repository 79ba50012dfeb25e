"""analyze_failure: what a model said, beside what is true."""

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from convscope.client import (
    Client,
    ClientError,
    DeadlineExceeded,
    FailedPrecondition,
    FailureAnalysis,
    InvalidArgument,
    NotFound,
    Preprocessed,
)
from convscope.engine.imaging.comparison import Panel, comparison_sheet
from convscope.v1.attribution_service_pb2 import AnalyzeFailureRequest, Overlay
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.target_pb2 import ClassReference
from tests.clients.answers import assert_same_answer, class_of
from tests.clients.conftest import Ask, Either
from tests.clients.names import LITE, RESNET
from tests.clients.sheets import assert_holds, assert_same_sheet
from tests.processes import ServerProcess

TABBY = 281

# What is changed of a right question: the error, its reason, field, and words of its message.
REFUSED: dict[str, tuple[dict[str, Any], type[ClientError], str, str, str]] = {
    "unknown label": ({"truth": "taby"}, InvalidArgument, "UNKNOWN_CLASS", "truth", "nearest: tabby"),
    "label of two classes": ({"truth": "CARDIGAN"}, InvalidArgument, "AMBIGUOUS_CLASS", "truth", "264, 474"),
    "empty label": ({"truth": ""}, InvalidArgument, "UNKNOWN_CLASS", "truth", "unknown class ''"),
    "index too high": ({"truth": 1000}, InvalidArgument, "UNKNOWN_CLASS", "truth", "0 to 999"),
    "index negative": ({"truth": -1}, InvalidArgument, "UNKNOWN_CLASS", "truth", "0 to 999"),
    "bool": ({"truth": True}, InvalidArgument, "OUT_OF_RANGE", "truth", "a whole number or a label, not True"),
    "nothing": ({"truth": None}, InvalidArgument, "OUT_OF_RANGE", "truth", "not None"),
    "float": ({"truth": 281.0}, InvalidArgument, "OUT_OF_RANGE", "truth", "not 281.0"),
    "list": ({"truth": ["tabby"]}, InvalidArgument, "OUT_OF_RANGE", "truth", "not ['tabby']"),
    "no text": ({"truth": "caf\udce9"}, InvalidArgument, "UNKNOWN_CLASS", "truth", "no text"),
    "unknown method": ({"method": "grad_cat"}, InvalidArgument, "UNKNOWN_METHOD", "method", "known: gradient"),
    "unknown parameter": ({"relus": True}, InvalidArgument, "INVALID_PARAMETER", "relus", "layer, relu"),
    "unknown layer": (
        {"layer": "blocks.99"}, InvalidArgument, "UNKNOWN_LAYER", "method.grad_cam.layer", "nearest: blocks."),
    "unknown data type": ({"data_type": "float8"}, InvalidArgument, "OUT_OF_RANGE", "data_type", "float16"),
    "unknown precision": ({"precision": "float16"}, InvalidArgument, "OUT_OF_RANGE", "precision", "bfloat16"),
    "too many classes": ({"top_k": 1001}, InvalidArgument, "OUT_OF_RANGE", "top_k", "0 to 1000"),
    "no picture": ({"image": b"no picture"}, InvalidArgument, "IMAGE_UNDECODABLE", "image.encoded", "JPEG"),
    "unknown model": ({"model": "efficientnet_lite9"}, NotFound, "UNKNOWN_MODEL", "model", "nearest: eff"),
    "model not loaded": ({"model": "vgg16"}, FailedPrecondition, "MODEL_NOT_LOADED", "model", "not loaded"),
}  # fmt: skip


@pytest.fixture(scope="module")
def analysis(server: ServerProcess, cat_path: Path) -> FailureAnalysis:
    """Chelsea is a tabby; the model says tiger cat."""
    with Client.connect(server.address) as client:
        return client.analyze_failure(cat_path, "tabby", model=LITE)


def test_what_was_said_and_the_truth_are_explained(either: Either, ask: Ask, cat_path: Path) -> None:
    analysis = either.analyze_failure(cat_path, "tabby", model=LITE)
    assert analysis.correct is False
    assert_same_answer(analysis.said, ask(cat_path))
    assert_same_answer(analysis.truth, ask(cat_path, target="tabby"))
    assert class_of(analysis.said).probability > class_of(analysis.truth).probability


def test_a_model_that_is_right_said_the_truth(either: Either, ask: Ask, cat_path: Path) -> None:
    analysis = either.analyze_failure(cat_path, "Tiger Cat", model=LITE)
    assert analysis.correct is True
    assert_same_answer(analysis.said, ask(cat_path))
    assert_same_answer(analysis.truth, analysis.said)


@pytest.mark.parametrize("truth", [TABBY, np.int64(TABBY), "TABBY"], ids=repr)
def test_the_truth_is_an_index_or_a_label(either: Either, cat_path: Path, truth: Any) -> None:
    assert class_of(either.analyze_failure(cat_path, truth, model=LITE).truth).index == TABBY


def test_index_0_is_a_truth(client: Client, cat_path: Path) -> None:
    assert class_of(client.analyze_failure(cat_path, 0, model=LITE).truth).index == 0


@pytest.mark.parametrize(
    "how",
    [
        {"method": "saliency", "abs": False},
        {"method": "grad_cam", "layer": "blocks.10", "relu": False, "top_k": 2, "data_type": "float16"},
        {"method": "occlusion", "window": 112, "stride": 112, "fill_color": [0.5, 0.5, 0.5]},
    ],
    ids=lambda how: how["method"],
)
def test_any_method_explains_both(either: Either, ask: Ask, cat_path: Path, how: dict[str, Any]) -> None:
    analysis = either.analyze_failure(cat_path, "tabby", model=LITE, **how)
    for answer, target in ((analysis.said, None), (analysis.truth, "tabby")):
        expected = ask(cat_path, target=target, **how)
        assert_same_answer(answer, expected)
        assert answer.values.dtype == expected.values.dtype
        assert len(answer.predictions) == len(expected.predictions)


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_question_names_its_field_and_reason(either: Either, cat_path: Path, case: str) -> None:
    changes, error, reason, field, words = REFUSED[case]
    question = {"image": cat_path, "truth": "tabby", "model": LITE, **changes}
    with pytest.raises(ClientError) as caught:
        either.analyze_failure(question.pop("image"), question.pop("truth"), **question)
    assert (type(caught.value), caught.value.reason, caught.value.field) == (error, reason, field)
    assert words in caught.value.message


def test_the_timeout_is_that_of_the_call(either: Either, cat_path: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        either.analyze_failure(cat_path, "tabby", model=LITE, timeout=0.001)


def test_the_sheet_holds_the_picture_what_was_said_and_the_truth(analysis: FailureAnalysis, cat: Image.Image) -> None:
    assert_holds(analysis.contact_sheet(), [cat, analysis.said.overlay(), analysis.truth.overlay()])


def test_the_sheet_says_which_is_which_with_both_probabilities(analysis: FailureAnalysis, cat: Image.Image) -> None:
    said, truth = analysis.said, analysis.truth
    panels = [
        Panel(said.overlay(), "grad_cam", said.layer, f"tiger cat {class_of(said).probability:.1%}", "said"),
        Panel(truth.overlay(), "grad_cam", truth.layer, f"tabby {class_of(truth).probability:.1%}", "truth"),
    ]
    expected = comparison_sheet(cat, str(said.predictions[0]), panels)
    assert analysis.contact_sheet().tobytes() == expected.tobytes()
    unnamed = comparison_sheet(
        cat, str(said.predictions[0]), [Panel(p.drawing, p.method, p.layer, p.target) for p in panels]
    )
    assert unnamed.tobytes() != expected.tobytes(), "the roles are written"


def test_opacity_and_colour_map_are_those_of_both_drawings(analysis: FailureAnalysis, cat: Image.Image) -> None:
    how: dict[str, Any] = {"opacity": 0.3, "colormap": "magma"}
    assert_holds(analysis.contact_sheet(**how), [cat, analysis.said.overlay(**how), analysis.truth.overlay(**how)])
    with pytest.raises(InvalidArgument, match="opacity"):
        analysis.contact_sheet(opacity=2)


def test_the_sheet_is_the_one_that_the_server_draws(
    analysis: FailureAnalysis, server: ServerProcess, cat_path: Path
) -> None:
    request = AnalyzeFailureRequest(
        model=f"models/{LITE}",
        image=ImageMessage(encoded=cat_path.read_bytes()),
        truth=ClassReference(label="tabby"),
        contact_sheet=Overlay(),
    )
    with grpc.insecure_channel(server.address) as channel:
        response = AttributionServiceStub(channel).AnalyzeFailure(request, timeout=30)
    with Image.open(BytesIO(response.contact_sheet)) as drawn:
        assert_same_sheet(drawn, analysis.contact_sheet())


def test_a_preprocessed_array_is_analysed_but_has_no_sheet(either: Either) -> None:
    noise = np.random.default_rng(5).normal(size=(3, 224, 224))
    analysis = either.analyze_failure(Preprocessed(noise), 0, model=RESNET)
    assert analysis.truth.values.shape == (1, 7, 7)
    with pytest.raises(InvalidArgument, match="no picture to draw on") as caught:
        analysis.contact_sheet()
    assert (caught.value.field, caught.value.reason) == ("picture", "NO_PICTURE")


def test_an_analysis_can_be_pickled_and_printed(analysis: FailureAnalysis) -> None:
    again = pickle.loads(pickle.dumps(analysis))
    assert again.correct is False
    assert_same_answer(again.said, analysis.said)
    assert_same_answer(again.truth, analysis.truth)
    assert len(repr(analysis)) < 6_000
