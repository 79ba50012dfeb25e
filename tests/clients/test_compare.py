"""compare: several methods or targets side by side."""

import pickle
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from convscope.client import (
    Classes,
    Client,
    ClientError,
    Comparison,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    Preprocessed,
    Unit,
    Variant,
)
from convscope.v1.attribution_service_pb2 import CompareRequest, Overlay
from convscope.v1.attribution_service_pb2 import Variant as VariantMessage
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.method_pb2 import GradCamParameters, Method, SaliencyParameters
from tests.clients.answers import assert_same_answer, class_of
from tests.clients.conftest import Ask, Either
from tests.clients.names import LITE, RESNET
from tests.clients.sheets import assert_holds, assert_same_sheet, size_of
from tests.processes import ServerProcess

# What is compared, and what asks for the same alone.
PAIRS: list[tuple[Variant | str, dict[str, Any]]] = [
    ("saliency", {"method": "saliency"}),
    ("grad_cam", {"method": "grad_cam"}),
    (Variant("grad_cam", layer="blocks.10", relu=False), {"method": "grad_cam", "layer": "blocks.10", "relu": False}),
    (Variant("grad_cam", target="tabby"), {"method": "grad_cam", "target": "tabby"}),
    (
        Variant("guided_backprop", target=Classes("tabby", minus=282)),
        {"method": "guided_backprop", "target": Classes("tabby", minus=282)},
    ),
    (Variant("input_x_gradient", target=Unit("head", 3)), {"method": "input_x_gradient", "target": Unit("head", 3)}),
    ("eigen_cam", {"method": "eigen_cam"}),
    (Variant("occlusion", window=112, stride=56), {"method": "occlusion", "window": 112, "stride": 56}),
    (Variant("integrated_gradients", steps=4), {"method": "integrated_gradients", "steps": 4}),
]
# Variants of which one is wrong: the error's field, reason, whether a call was made, and words of its message.
WRONG: dict[str, tuple[list[Any], str, str, bool, str]] = {
    "method": (["grad_cam", "grad_cat"], "variants[1].method", "UNKNOWN_METHOD", False, "'grad_cat'; known: gradient"),
    "no text": ([Variant("grad_cam"), None], "variants[1].method", "UNKNOWN_METHOD", False, "unknown method None"),
    "parameter": (
        ["saliency", Variant("grad_cam", relus=True)], "variants[1].relus", "INVALID_PARAMETER", False,
        "grad_cam has no parameter 'relus'"),
    "value": ([Variant("saliency", abs="yes")], "variants[0].abs", "INVALID_PARAMETER", False, "abs cannot be 'yes'"),
    "target": (
        ["saliency", "saliency", Variant("saliency", target=True)], "variants[2].target", "OUT_OF_RANGE", False,
        "not True"),
    "layer": (
        ["saliency", Variant("grad_cam", layer="blocks.99")], "variants[1].method.grad_cam.layer", "UNKNOWN_LAYER",
        True, "nearest: blocks."),
    "number": (
        [Variant("rise", masks=0)], "variants[0].method.rise.masks", "INVALID_PARAMETER", True,
        "greater than or equal to 1"),
    "class": (
        ["saliency", Variant("saliency", target="taby")], "variants[1].target", "UNKNOWN_CLASS", True,
        "nearest: tabby"),
    "unit": (
        ["saliency", Variant("saliency", target=Unit("head", 5000))], "variants[1].target.unit.channel",
        "OUT_OF_RANGE", True, "0 to 1279"),
}  # fmt: skip


@pytest.fixture(scope="module")
def compared(server: ServerProcess, cat_path: Path) -> Comparison:
    """Four explanations of the cat."""
    variants: list[Variant | str] = [
        "saliency",
        Variant("grad_cam", target="tabby"),
        "guided_grad_cam",
        Variant("saliency", abs=False),
    ]
    with Client.connect(server.address) as client:
        return client.compare(cat_path, variants, model=LITE)


def test_every_explanation_is_the_one_asked_for_alone(either: Either, ask: Ask, cat_path: Path) -> None:
    answers = either.compare(cat_path, [variant for variant, _ in PAIRS], model=LITE)
    assert len(answers) == len(PAIRS)
    for answer, (_, alone) in zip(answers, PAIRS, strict=True):
        expected = ask(cat_path, **alone)
        assert_same_answer(answer, expected)
        assert (answer.model, answer.input_size) == (LITE, (224, 224))
        assert [one.index for one in answer.predictions] == [one.index for one in expected.predictions]
        assert (answer.convergence_error is None) == (expected.convergence_error is None)


def test_the_calls_target_is_that_of_variants_that_name_none(either: Either, ask: Ask, cat_path: Path) -> None:
    variants = ["grad_cam", Variant("grad_cam", target="Egyptian cat"), Variant("grad_cam", target=Classes())]
    answers = either.compare(cat_path, variants, model=LITE, target="tabby")
    assert [answer.target_name for answer in answers] == ["tabby", "Egyptian cat", "tiger cat"]
    assert_same_answer(answers[0], ask(cat_path, target="tabby"))


@pytest.mark.parametrize("target", [281, Classes(["tabby", "lynx"]), Unit("head", 3)], ids=repr)
def test_the_calls_target_may_be_of_any_kind(client: Client, ask: Ask, cat_path: Path, target: Any) -> None:
    for answer in client.compare(cat_path, ["grad_cam", "grad_cam"], model=LITE, target=target):
        assert_same_answer(answer, ask(cat_path, target=target))


def test_options_count_for_every_explanation(either: Either, cat_path: Path) -> None:
    answers = either.compare(cat_path, ["saliency", "grad_cam"], model=RESNET, top_k=2, data_type="float16")
    assert [answer.values.dtype for answer in answers] == [np.float16, np.float16]
    assert [len(answer.predictions) for answer in answers] == [2, 2]
    assert [answer.layer for answer in answers] == ["", "layer4"]
    assert [answer.precision for answer in answers] == ["float32", "float32"]


@pytest.mark.parametrize("kind", [tuple, iter, lambda variants: (variant for variant in variants)])
def test_variants_may_come_from_anything_that_gives_them(
    either: Either, cat_path: Path, kind: Callable[[Any], Any]
) -> None:
    answers = either.compare(cat_path, kind([Variant("saliency"), "grad_cam"]), model=RESNET)
    assert [answer.method for answer in answers] == ["saliency", "grad_cam"]


def test_what_the_variants_raise_arrives(either: Either, cat_path: Path) -> None:
    def variants() -> Iterator[str]:
        yield "saliency"
        raise LookupError("no more methods")

    with pytest.raises(LookupError, match="no more methods"):
        either.compare(cat_path, variants(), model=LITE)


@pytest.mark.parametrize("count", [0, 33])
def test_1_to_32_variants_can_be_compared(either: Either, cat_path: Path, count: int) -> None:
    with pytest.raises(InvalidArgument, match=f"1 to 32 variants can be compared, not {count}") as caught:
        either.compare(cat_path, ["saliency"] * count, model=RESNET)
    assert (caught.value.field, caught.value.reason) == ("variants", "OUT_OF_RANGE")


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_variant_is_named_by_its_place(either: Either, cat_path: Path, case: str) -> None:
    variants, field, reason, called, words = WRONG[case]
    with pytest.raises(InvalidArgument) as caught:
        either.compare(cat_path, variants, model=LITE)
    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert words in caught.value.message
    assert caught.value.status == ("INVALID_ARGUMENT" if called else "")


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"model": "efficientnet_lite9"}, NotFound, "model"),
        ({"image": "missing.jpg"}, InvalidArgument, "image"),
        ({"image": b"no picture"}, InvalidArgument, "image.encoded"),
        ({"target": 1.5}, InvalidArgument, "target"),
        ({"top_k": 1001}, InvalidArgument, "top_k"),
        ({"data_type": "float8"}, InvalidArgument, "data_type"),
        ({"precision": "float16"}, InvalidArgument, "precision"),
        ({"timeout": 0.001}, DeadlineExceeded, ""),
    ],
    ids=str,
)
def test_what_is_wrong_for_all_is_named_without_a_place(
    either: Either, cat_path: Path, changes: dict[str, Any], error: type[ClientError], field: str
) -> None:
    question = {"image": cat_path, "variants": ["saliency", "grad_cam"], "model": LITE, **changes}
    with pytest.raises(ClientError) as caught:
        either.compare(question.pop("image"), question.pop("variants"), **question)
    assert (type(caught.value), caught.value.field) == (error, field)


def test_a_comparison_is_a_sequence_in_the_order_of_the_variants(compared: Comparison) -> None:
    assert len(compared) == 4
    assert [answer.method for answer in compared] == ["saliency", "grad_cam", "guided_grad_cam", "saliency"]
    assert compared[1] is compared.attributions[1]
    assert compared[-1] in compared
    assert compared[1:3] == compared.attributions[1:3]
    with pytest.raises(IndexError):
        compared[4]


def test_a_comparison_can_be_pickled_and_printed(compared: Comparison) -> None:
    compared.contact_sheet()
    again = pickle.loads(pickle.dumps(compared))
    for found, expected in zip(again, compared, strict=True):
        assert_same_answer(found, expected)
    assert again.contact_sheet().tobytes() == compared.contact_sheet().tobytes()
    assert len(repr(compared)) < 12_000


def test_a_variant_says_what_it_is() -> None:
    variant = Variant("grad_cam", target=Classes("tabby"), layer="head", relu=False)
    assert repr(Variant("saliency")) == "Variant('saliency')"
    assert repr(variant) == f"Variant('grad_cam', target={Classes('tabby')!r}, layer='head', relu=False)"


def test_the_sheet_holds_the_picture_and_every_explanation(compared: Comparison, cat: Image.Image) -> None:
    assert_holds(compared.contact_sheet(), [cat, *(answer.overlay() for answer in compared)])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
def test_the_sheet_has_rows_of_up_to_four(compared: Comparison, count: int) -> None:
    some = Comparison((compared.attributions * 2)[:count])
    assert some.contact_sheet().size == size_of(count + 1)


def test_opacity_and_colour_map_are_those_of_every_drawing(compared: Comparison, cat: Image.Image) -> None:
    how: dict[str, Any] = {"opacity": 0.3, "colormap": "magma"}
    assert_holds(compared.contact_sheet(**how), [cat, *(answer.overlay(**how) for answer in compared)])


@pytest.mark.parametrize(("how", "field"), [({"opacity": 2}, "opacity"), ({"colormap": "jet"}, "colormap")])
def test_a_sheet_that_cannot_be_drawn_is_refused(compared: Comparison, how: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        compared.contact_sheet(**how)
    assert caught.value.field == field


def test_the_sheet_is_the_one_that_the_server_draws(client: Client, server: ServerProcess, cat_path: Path) -> None:
    variants = [Variant("saliency"), Variant("grad_cam", target="tabby")]
    methods = [Method(saliency=SaliencyParameters()), Method(grad_cam=GradCamParameters())]
    request = CompareRequest(
        model=f"models/{LITE}",
        image=ImageMessage(encoded=cat_path.read_bytes()),
        variants=[
            VariantMessage(method=methods[0]),
            VariantMessage(method=methods[1], target={"class_label": "tabby"}),
        ],
        contact_sheet=Overlay(),
    )
    with grpc.insecure_channel(server.address) as channel:
        response = AttributionServiceStub(channel).Compare(request, timeout=30)
    with Image.open(BytesIO(response.contact_sheet)) as drawn:
        assert_same_sheet(drawn, client.compare(cat_path, variants, model=LITE).contact_sheet())


def test_a_preprocessed_array_is_compared_but_has_no_sheet(either: Either) -> None:
    noise = np.random.default_rng(5).normal(size=(3, 224, 224))
    answers = either.compare(Preprocessed(noise), ["saliency", "grad_cam"], model=RESNET)
    assert [answer.values.any() for answer in answers] == [True, True]
    with pytest.raises(InvalidArgument, match="no picture to draw on") as caught:
        answers.contact_sheet()
    assert (caught.value.field, caught.value.reason) == ("picture", "NO_PICTURE")


def test_without_predictions_the_sheet_has_no_title(client: Client, cat: Image.Image) -> None:
    answers = client.compare(cat, ["saliency"], model=LITE, top_k=0)
    assert answers[0].predictions == ()
    assert class_of(answers[0]).label == "tiger cat"
    assert_holds(answers.contact_sheet(), [cat, answers[0].overlay()])
