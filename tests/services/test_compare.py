"""A comparison is the single explanations, at the cost of the passes that they share."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from convscope.client.tensors import from_array, to_array
from convscope.v1.attribution_service_pb2 import (
    PRECISION_FLOAT32,
    AttributeRequest,
    AttributeResponse,
    CompareRequest,
    CompareResponse,
    Overlay,
    Variant,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.target_pb2 import ClassReference, ClassSum, Target, Unit
from convscope.v1.tensor_pb2 import DataType
from tests.processes import wait_until
from tests.services.asking import LONG, QUICK, SEGMENT, method
from tests.services.calls import SECONDS, Stubs
from tests.services.held import Pace, TeamServer, question
from tests.services.pictures import to_file

LITE0 = "models/efficientnet_lite0"
CAT, LYNX = 285, 287
NOTHING_SAID = Target()
DIFFERENCE = Target(classes=ClassSum(plus=[ClassReference(index=CAT)], minus=[ClassReference(label="lynx")]))
PROBABILITY = Target(class_label="tabby", output=Target.OUTPUT_PROBABILITY)
UNIT = Target(unit=Unit(layer="blocks.10", channel=3))
TARGETS = [NOTHING_SAID, Target(class_index=LYNX), DIFFERENCE, PROBABILITY, UNIT]
VARIANTS = [
    *(
        Variant(method=method(name, parameters), target=TARGETS[place % len(TARGETS)])
        for place, (name, parameters) in enumerate(
            {**QUICK, **SEGMENT, "x_grad_cam": {"layer": "blocks.3", "relu": False}}.items()
        )
    ),
    *(
        Variant(method=method("grad_cam", {"layer": layer, "relu": False}), target=target)
        for layer in ("blocks.3", "blocks.10")
        for target in (NOTHING_SAID, Target(class_index=7), DIFFERENCE)
    ),
    Variant(method=method("rise", LONG["rise"]), target=Target(class_index=CAT)),
    Variant(method=method("saliency"), target=UNIT),
    Variant(method=method("saliency"), target=PROBABILITY),
    Variant(method=method("integrated_gradients", {"steps": 2}), target=DIFFERENCE),
    Variant(method=method("saliency"), target=PROBABILITY),
]
"""All that share passes, and long ones among them; two are the same."""


@pytest.fixture(scope="module")
def cat_png(cat: PillowImage.Image) -> Image:
    return Image(encoded=to_file(cat))


def comparison(image: Image, variants: list[Variant], model: str = LITE0, **fields: Any) -> CompareRequest:
    return CompareRequest(model=model, image=image, variants=variants, **fields)


def alone(request: CompareRequest, number: int) -> AttributeRequest:
    """What one variant asks."""
    variant = request.variants[number]
    single = AttributeRequest(
        model=request.model,
        image=request.image,
        method=variant.method,
        target=variant.target,
        data_type=request.data_type,
        heatmap=request.heatmap,
    )
    if request.HasField("overlay"):
        single.overlay.CopyFrom(request.overlay)
    if request.HasField("top_k"):
        single.top_k = request.top_k
    return single


def assert_is_the_single_answer(found: AttributeResponse, single: AttributeResponse, what: object) -> None:
    """All fields are the same, the numbers but for rounding."""
    for one, other in ((found.attribution, single.attribution), (found.heatmap, single.heatmap)):
        assert (list(one.shape), one.data_type) == (list(other.shape), other.data_type), what
        if other.shape:
            values, expected = (to_array(tensor).astype(np.float64) for tensor in (one, other))
            assert expected.any(), f"{what}: an explanation of zeros proves nothing"
            rounding = 1e-3 if other.data_type == DataType.DATA_TYPE_FLOAT16 else 2e-5
            np.testing.assert_allclose(values, expected, rtol=0, atol=rounding * np.abs(expected).max())
    assert found.explained == pytest.approx(single.explained, rel=1e-4, abs=1e-6), what
    assert found.convergence_error == pytest.approx(single.convergence_error, abs=1e-3), what
    assert bool(found.overlay) == bool(single.overlay)
    assert len(found.predictions) == len(single.predictions), what
    pairs = zip((found.target, *found.predictions), (single.target, *single.predictions), strict=True)
    for named, expected_name in pairs:
        assert (named.index, named.label) == (expected_name.index, expected_name.label), what
        assert named.score == pytest.approx(expected_name.score, rel=1e-4, abs=1e-4), what
        assert named.probability == pytest.approx(expected_name.probability, rel=1e-3, abs=1e-6), what
    assert without_numbers(found) == without_numbers(single), what


def without_numbers(response: AttributeResponse) -> AttributeResponse:
    """What must be the same to the last bit; of optional fields, that they are there."""
    copy = AttributeResponse()
    copy.CopyFrom(response)
    for field in ("attribution", "heatmap", "explained", "overlay", "predictions"):
        copy.ClearField(field)
    if copy.HasField("target"):
        copy.target.Clear()
    if copy.HasField("convergence_error"):
        copy.convergence_error = 0
    return copy


def test_every_variant_is_answered_in_its_place_as_it_is_alone(stubs: Stubs, cat_png: Image) -> None:
    request = comparison(cat_png, VARIANTS, heatmap=True, top_k=3)
    response = stubs.compare(request, timeout=SECONDS)
    assert len(response.attributions) == len(VARIANTS)
    assert not response.contact_sheet
    for number, found in enumerate(response.attributions):
        single = stubs.attribute(alone(request, number), timeout=SECONDS)
        assert_is_the_single_answer(found, single, VARIANTS[number])
        assert len(found.predictions) == 3
        assert found.precision == PRECISION_FLOAT32


def test_a_preprocessed_picture_is_compared_without_a_drawing(stubs: Stubs) -> None:
    values = np.random.default_rng(4).standard_normal((3, 224, 224)).astype(np.float32)
    request = comparison(Image(preprocessed=from_array(values)), VARIANTS[:3], data_type=DataType.DATA_TYPE_FLOAT16)
    response = stubs.compare(request, timeout=SECONDS)
    for number, found in enumerate(response.attributions):
        assert_is_the_single_answer(found, stubs.attribute(alone(request, number), timeout=SECONDS), number)
        assert not found.overlay


def test_every_variant_is_drawn_where_that_is_asked_for(stubs: Stubs, cat: PillowImage.Image, cat_png: Image) -> None:
    drawing = Overlay(format=Overlay.FORMAT_JPEG, opacity=0.5, colormap="viridis")
    request = comparison(cat_png, VARIANTS[:2] + VARIANTS[-4:-2], overlay=drawing, heatmap=True)
    response = stubs.compare(request, timeout=SECONDS)
    for number, found in enumerate(response.attributions):
        single = stubs.attribute(alone(request, number), timeout=SECONDS)
        assert_is_the_single_answer(found, single, number)
        drawn, expected = (PillowImage.open(BytesIO(one.overlay)) for one in (found, single))
        assert (drawn.format, drawn.size) == ("JPEG", cat.size)
        difference = np.abs(np.asarray(drawn).astype(int) - np.asarray(expected).astype(int))
        assert difference.mean() < 0.5


def sheet_of(response: CompareResponse) -> PillowImage.Image:
    sheet = PillowImage.open(BytesIO(response.contact_sheet))
    sheet.load()
    return sheet


@pytest.mark.parametrize(
    ("options", "file_format"),
    [(Overlay(), "PNG"), (Overlay(format=Overlay.FORMAT_PNG), "PNG"), (Overlay(format=Overlay.FORMAT_JPEG), "JPEG")],
    ids=["nothing said", "PNG", "JPEG"],
)
def test_the_sheet_is_a_picture_wider_than_the_one_that_is_explained(
    options: Overlay, file_format: str, stubs: Stubs, cat: PillowImage.Image, cat_png: Image
) -> None:
    request = comparison(cat_png, VARIANTS[:2], contact_sheet=options)
    response = stubs.compare(request, timeout=SECONDS)
    sheet = sheet_of(response)
    assert sheet.format == file_format
    assert sheet.width > cat.width
    assert not any(one.overlay or one.HasField("heatmap") for one in response.attributions)


def test_the_sheet_has_a_place_for_the_picture_and_for_every_variant(stubs: Stubs, cat_png: Image) -> None:
    def sheet(count: int) -> PillowImage.Image:
        variants = [Variant(method=method("grad_cam"), target=Target(class_index=place)) for place in range(count)]
        return sheet_of(stubs.compare(comparison(cat_png, variants, contact_sheet=Overlay()), timeout=SECONDS))

    one, three, four, seven = (sheet(count) for count in (1, 3, 4, 7))
    assert one.width < three.width == four.width == seven.width
    assert one.height == three.height < four.height == seven.height


def test_the_sheet_is_drawn_as_it_is_asked_for(stubs: Stubs, cat_png: Image) -> None:
    def sheet(**options: Any) -> bytes:
        request = comparison(cat_png, [Variant(method=method("grad_cam"))], contact_sheet=Overlay(**options))
        return stubs.compare(request, timeout=SECONDS).contact_sheet

    assert sheet() == sheet(opacity=0.7, colormap="turbo")
    assert len({sheet(), sheet(opacity=0.2), sheet(colormap="gray")}) == 3


def test_thirty_two_variants_are_compared(stubs: Stubs, cat_png: Image) -> None:
    variants = [Variant(method=method("eigen_cam"), target=Target(class_index=place)) for place in range(32)]
    request = comparison(cat_png, variants, contact_sheet=Overlay(format=Overlay.FORMAT_JPEG))
    response = stubs.compare(request, timeout=SECONDS)
    assert [one.target.index for one in response.attributions] == list(range(32))
    assert sheet_of(response).height > 8 * 214


PRECISIONS_ASKED = {"nothing said": 0, "float32": PRECISION_FLOAT32}


@pytest.mark.parametrize("asked", PRECISIONS_ASKED)
def test_every_answer_names_the_precision(asked: str, stubs: Stubs, cat_png: Image) -> None:
    request = comparison(cat_png, VARIANTS[:2])
    request.precision = PRECISIONS_ASKED[asked]  # type: ignore[assignment]
    response = stubs.compare(request, timeout=SECONDS)
    assert [one.precision for one in response.attributions] == [PRECISION_FLOAT32] * 2


PACED = [
    Variant(method=method("saliency"), target=Target(class_index=1)),
    Variant(method=method("saliency"), target=Target(class_index=2)),
    Variant(method=method("grad_cam", {"layer": "features.1", "relu": False}), target=Target(class_index=3)),
    Variant(method=method("grad_cam", {"layer": "features.2", "relu": False})),
    Variant(
        method=method("x_grad_cam", {"layer": "features.0", "relu": False}),
        target=Target(unit=Unit(layer="features.2", channel=2)),
    ),
    Variant(method=method("input_x_gradient"), target=Target(output=Target.OUTPUT_PROBABILITY)),
    Variant(method=method("eigen_cam", {"layer": "features.0", "relu": False})),
]


def test_methods_that_need_but_a_pass_share_one(team: TeamServer, pace: Pace) -> None:
    request = comparison(question(1).image, PACED, "models/paced")
    labels = {"method": "compare", "model": "paced"}
    names = ("convscope_batch_size_count", "convscope_batch_size_sum", "convscope_answers_total")
    before = [team.process.metric(name, **labels) for name in names]
    response = team.stubs.compare(request, timeout=SECONDS)
    assert pace.sizes() == [1]
    wait_until(lambda: team.process.metric(names[2], **labels) == before[2] + 1, "the answer to be counted")
    assert [team.process.metric(name, **labels) for name in names] == [count + 1 for count in before]
    for number, found in enumerate(response.attributions):
        single = team.stubs.attribute(alone(request, number), timeout=SECONDS)
        assert_is_the_single_answer(found, single, number)


def test_each_rule_for_relus_takes_a_pass_of_its_own(team: TeamServer, pace: Pace) -> None:
    guided = [Variant(method=method(name)) for name in ("guided_backprop", "deconvnet", "guided_grad_cam")]
    request = comparison(question(1).image, [*PACED, *guided, *guided], "models/paced")
    response = team.stubs.compare(request, timeout=SECONDS)
    assert pace.sizes() == [1, 1, 1]
    for number, found in enumerate(response.attributions):
        single = team.stubs.attribute(alone(request, number), timeout=SECONDS)
        assert_is_the_single_answer(found, single, number)


def test_a_long_method_takes_its_own_passes_and_the_others_still_share_theirs(team: TeamServer, pace: Pace) -> None:
    variants = [PACED[0], Variant(method=method("rise", {"masks": 20})), *PACED[1:]]
    request = comparison(question(1).image, variants, "models/paced")
    response = team.stubs.compare(request, timeout=SECONDS)
    assert pace.sizes() == [1, 1, 8, 8, 4]
    for number, found in enumerate(response.attributions):
        single = team.stubs.attribute(alone(request, number), timeout=SECONDS)
        assert_is_the_single_answer(found, single, number)


def test_a_comparison_takes_one_place_of_the_queue(team: TeamServer, pace: Pace) -> None:
    request = comparison(question(1).image, PACED, "models/paced")
    pace.hold_after(0)
    held = team.pool.submit(team.stubs.compare, request, timeout=SECONDS)
    pace.wait_until_held(0)
    calls = [team.pool.submit(team.stubs.compare, request, timeout=SECONDS) for _ in range(3)]
    team.wait_until_queued(3, "paced")
    pace.let_go()
    first, *others = (call.result(SECONDS) for call in (held, *calls))
    assert all(other == first for other in others)
    assert pace.sizes() == [1, 1, 1, 1]
