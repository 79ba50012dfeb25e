"""A recipe that there is not, parameters that cannot be, and pictures that no synthesis starts from are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import Layer, ModelCard, Preprocessing
from convscope.v1.synthesis_service_pb2 import (
    InvertFeaturesRequest,
    SynthesisParameters,
    SynthesisStage,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.services.calls import refusal
from tests.services.jobs.conftest import MAX_STEPS
from tests.services.jobs.server import PNG, Jobs, inverting, picturing
from tests.services.jobs.test_bad_input import (
    INF,
    INVALID,
    LONG,
    NAN,
    WIDE,
    Expected,
    assert_refused,
    case_id,
    out_of_range,
    parameter,
    pixels,
    seeing,
)
from tests.services.pictures import noise, to_file
from tests.services.test_bad_input import Case, has_field

Request = VisualizeClassRequest | VisualizeChannelRequest | InvertFeaturesRequest
MAKERS: list[Callable[..., Request]] = [seeing, picturing, inverting]
WIDTH, HEIGHT = 60, 40
CARD = ModelCard(
    class_count=4,
    layers=[Layer(name="blocks.1")],
    preprocessing=Preprocessing(height=HEIGHT, width=WIDTH, resize=64),
)


def picture(width: int, height: int) -> Image:
    return Image(encoded=to_file(noise(width, height)))


def setting(make: Callable[..., Request] = seeing, recipe: str = "", /, **parameters: Any) -> Request:
    """A good request, but for what is given."""
    return make(recipe=recipe, parameters=SynthesisParameters(**parameters))


def staged(*stages: dict[str, Any], **parameters: Any) -> Request:
    return setting(seeing, "simonyan2013", stages=[SynthesisStage(**stage) for stage in stages], **parameters)


def of_parameters(name: str) -> Expected:
    return parameter(f"parameters.{name}")


SHARES = ("momentum", "scaling", "decay", "drop_norm", "drop_contribution")
NOT_NEGATIVE = ("noise", "diversity", "final_step_size", "l2", "alpha_weight", "tv_weight", "fixed_norm")
POSITIVE = ("step_size", "bilateral_color", "bilateral_space")
SIGMAS = ("gradient_blur", "blur", "final_blur")
PIXELS = ("pad", "jitter", "jitter_after")
FLOATS = (*SHARES, *NOT_NEGATIVE, *POSITIVE, *SIGMAS, "brightness", "rotation", "alpha", "tv_beta")
NUMBERS = {
    **dict.fromkeys(SHARES, (1.0, -0.1)),
    **dict.fromkeys(NOT_NEGATIVE, (-1e-300,)),
    **dict.fromkeys(POSITIVE, (0.0, -1.0)),
    **dict.fromkeys(SIGMAS, (32.5, -1.0)),
    **dict.fromkeys(PIXELS, (-1, 257)),
    "size": (0, 31, 4097, -1),
    "brightness": (-1.0, 256.0),
    "copies": (0, 17, -1),
    "steps": (0, -1, 10**9, 2**31 - 1),
    "population": (0, 257),
    "laplacian_levels": (-1, 9),
    "redirected_relu_steps": (-1, 1001),
    "rotation": (-1.0, 180.5),
    "alpha": (0.5, 12.5),
    "tv_beta": (0.5, 4.5),
    "blur_every": (0, 1001),
    "bilateral": (-1, 2, 16),
    "median": (-1, 4, 17),
    "seed": (-1, -(2**63)),
}
CHOICES = ("parameterization", "output", "optimizer", "normalization")
RECIPES = [
    *(
        Case(f"the recipe {name[:10]!r}", make(recipe=name), (INVALID, "UNKNOWN_RECIPE", "recipe"), says)
        for make in MAKERS
        for name, says in {
            "olah2018": "nearest: olah2017",
            "Simonyan": "",
            " ": "known: ",
            LONG: "",
            WIDE: "",
        }.items()
    ),
    Case("a recipe of classes", setting(inverting, "tyka2016"), (INVALID, "UNKNOWN_RECIPE", "recipe"), "olah2017"),
]
PARAMETERS = [
    *(Case(f"steps 0 of {make.__name__}", setting(make, steps=0), of_parameters("steps")) for make in MAKERS),
    *(
        Case(
            f"too many steps of {make.__name__}",
            setting(make, steps=MAX_STEPS + 1),
            out_of_range("parameters.steps"),
            str(MAX_STEPS),
        )
        for make in MAKERS
    ),
    *(
        Case(f"{name} {value}", setting(seeing, "simonyan2013", **{name: value}), of_parameters(name))
        for name in FLOATS
        for value in (NAN, INF, -INF)
    ),
    *(
        Case(f"{name} {value}", setting(seeing, "simonyan2013", **{name: value}), of_parameters(name))
        for name, values in NUMBERS.items()
        for value in values
    ),
    *(
        Case(f"{name} {value[:10]!r}", setting(**{name: value}), of_parameters(name))
        for name in CHOICES
        for value in ("", "Pixels", LONG, WIDE)
    ),
    Case("a spectrum that is blurred", setting(blur=1.0), of_parameters("blur"), "parameterization fourier"),
    Case("momentum of adam", setting(momentum=0.5), of_parameters("momentum"), "optimizer adam"),
    Case("diversity of one", setting(diversity=1.0), of_parameters("diversity"), "several copies"),
    Case("evolution by gradients", setting(seeing, "tyka2016", optimizer="evolution"), of_parameters("normalization")),
    Case("stages of a spectrum", setting(stages=[SynthesisStage()]), of_parameters("stages")),
    Case("17 stages", staged(*17 * [{}]), of_parameters("stages"), "17"),
    *(
        Case(f"a stage's {name} {value}", staged({}, {name: value}), of_parameters(f"stages[1].{name}"))
        for name, value in [
            *(("share", value) for value in (0, -1, NAN, INF)),
            *(("scale", value) for value in (0, -1, 8.5, NAN, INF)),
            *(
                (name, value)
                for name in ("step", "blur")
                for value in ([1], [1, 1, 1], [-1, 1], [1, NAN], [INF, 1], 100_000 * [1])
            ),
        ]
    ),
    Case("a long layer", staged({"layer": LONG}), (INVALID, "UNKNOWN_LAYER", "parameters.stages[0].layer")),
    Case("a large picture", setting(seeing, "simonyan2013", size=400), out_of_range("parameters.size"), "400 x 400"),
    Case(
        "a picture that gets too large", staged({}, {"scale": 8}, size=64), out_of_range("parameters.size"), "512 x 512"
    ),
    Case(
        "copies of too many classes",
        seeing(*33 * [ClassReference(index=1)], parameters=SynthesisParameters(copies=2)),
        out_of_range("parameters.copies"),
        "at most 64",
    ),
    Case(
        "copies of too many units",
        picturing(units=5 * [Unit(layer="stem")], parameters=SynthesisParameters(copies=13)),
        out_of_range("parameters.copies"),
    ),
    Case("copies of an inversion", setting(inverting, copies=2), out_of_range("parameters.copies"), "one picture"),
    *(
        Case(f"a start that is {what} of {make.__name__}", make(image=image), expected)
        for make in MAKERS[:2]
        for what, image, expected in [
            ("no picture", Image(), (INVALID, "IMAGE_MISSING", "image")),
            ("cut off", Image(encoded=PNG[:-200]), (INVALID, "IMAGE_UNDECODABLE", "image.encoded")),
            ("too large", Image(encoded=to_file(noise(401, 250))), (INVALID, "IMAGE_TOO_LARGE", "image.encoded")),
            ("of a wrong shape", pixels([10, 10]), (INVALID, "TENSOR_INVALID", "image.pixels.shape")),
        ]
    ),
    Case(
        "a picture as weights",
        seeing(recipe="nguyen2015", image=Image(encoded=PNG)),
        (INVALID, "CONTRADICTION", "image"),
    ),
    Case(
        "a start of another size than is asked for",
        seeing(parameters=SynthesisParameters(size=64), image=Image(encoded=PNG)),
        (INVALID, "IMAGE_SIZE", "image"),
        "64 x 64 pixels; the picture has 64 x 48",
    ),
]
WITH_CARD = [
    *(
        Case(f"{size} for {recipe}", make(recipe=recipe, image=picture(*size)), (INVALID, "IMAGE_SIZE", "image"), says)
        for make in MAKERS[:2]
        for size, recipe, says in [
            ((HEIGHT, WIDTH), "simonyan2013", "60 x 40 pixels; the picture has 40 x 60"),
            ((WIDTH, HEIGHT + 1), "", "60 x 40"),
            ((WIDTH, HEIGHT), "mordvintsev2015", "22 x 15 pixels"),
        ]
    ),
    Case(
        "a picture that gets too large",
        setting(seeing, "simonyan2013", stages=[SynthesisStage(scale=8), SynthesisStage(scale=8)]),
        out_of_range("parameters.stages"),
        f"{8 * WIDTH} x {8 * HEIGHT}",
    ),
]


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("case", RECIPES + PARAMETERS, ids=case_id)
def test_it_is_refused(case: Case, send: Callable[[Message], object]) -> None:
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert has_field(case.request, case.expected[2])


@pytest.mark.parametrize("case", WITH_CARD, ids=case_id)
def test_what_does_not_fit_the_models_size_is_refused(
    case: Case, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    jobs.publish(CARD)
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert jobs.names() == jobs.files() == []


# What is just right, so that the limits lie where the contract says.
GOOD = [
    setting(seeing, "simonyan2013", steps=1, step_size=1e-9, l2=0, momentum=0, jitter=0, noise=0, seed=2**63 - 1),
    setting(
        seeing, "simonyan2013", steps=MAX_STEPS, momentum=0.999, jitter=256, brightness=255, bilateral=15, median=1
    ),
    setting(optimizer="gradient_ascent", momentum=0.5),
    setting(copies=16, diversity=1e-3, scaling=0.999, rotation=180, pad=256),
    setting(seeing, "nguyen2015", population=256, output="probability", size=32),
    setting(seeing, "oygaard2015", size=64),
    setting(inverting, "olah2017", steps=1),
    staged({"step": [0, 2.5], "blur": [1, 0]}, {"share": 1e-6, "scale": 8, "layer": "head"}, size=32),
    staged(*16 * [{}]),
    seeing(*32 * [ClassReference(index=1)], parameters=SynthesisParameters(copies=2)),
    seeing(image=picture(WIDTH, HEIGHT)),
    picturing(recipe="mordvintsev2015", image=picture(22, 15)),
    seeing(recipe="simonyan2013", image=picture(64, 64), parameters=SynthesisParameters(size=64)),
]


@pytest.mark.parametrize("known", [False, True], ids=["without a card", "with a card"])
@pytest.mark.parametrize("request_", GOOD, ids=range(len(GOOD)))
def test_the_limits_themselves_are_taken(
    request_: Request, known: bool, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    if known:
        jobs.publish(CARD)
    assert send(request_)
    assert len(jobs.names()) == 1


def test_without_a_card_the_worker_looks_at_the_size_of_the_start(
    jobs: Jobs, send: Callable[[Message], object]
) -> None:
    assert send(seeing(image=picture(7, 7)))
    assert len(jobs.names()) == 1
