"""Attacks that cannot be are refused before anything is queued."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from convscope.services.common.jobs.kinds import CREATE_ADVERSARIAL
from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import CreateAdversarialRequest
from convscope.v1.target_pb2 import ClassReference
from tests.services.calls import refusal
from tests.services.jobs.conftest import MAX_STEPS
from tests.services.jobs.server import MODEL, PNG, Jobs, attacking
from tests.services.jobs.test_bad_input import (
    INF,
    INVALID,
    LONG,
    NAN,
    WIDE,
    assert_refused,
    case_id,
    out_of_range,
    parameter,
)
from tests.services.test_bad_input import Case, has_field

CARD = ModelCard(class_count=3, labels=["cat", "dog", "hen"])
DOG = ClassReference(label="dog")
CONTRADICTION = "CONTRADICTION"


def from_noise(**fields: Any) -> CreateAdversarialRequest:
    """A good request without a picture, but for what is given."""
    return CreateAdversarialRequest(**{"model": MODEL, "target": DOG, **fields})


CASES = [
    Case("no model", attacking(model=""), (INVALID, "MODEL_MISSING", "model")),
    Case("an empty image", attacking(image=Image()), (INVALID, "IMAGE_MISSING", "image")),
    Case("half an image", attacking(image=Image(encoded=PNG[:90])), (INVALID, "IMAGE_UNDECODABLE", "image.encoded")),
    Case("noise for no class", CreateAdversarialRequest(model=MODEL), (INVALID, "TARGET_MISSING", "target")),
    Case("a target without a class", attacking(target=ClassReference()), (INVALID, "TARGET_MISSING", "target")),
    Case("index -1", attacking(target=ClassReference(index=-1)), (INVALID, "UNKNOWN_CLASS", "target")),
    Case("a long label", attacking(target=ClassReference(label=LONG)), (INVALID, "UNKNOWN_CLASS", "target")),
    Case("a target of deepfool", attacking(attack="deepfool", target=DOG), (INVALID, CONTRADICTION, "target")),
    *(
        Case(f"{attack} of noise", from_noise(attack=attack), (INVALID, CONTRADICTION, "attack"), attack)
        for attack in ("fgsm", "pgd", "deepfool")
    ),
    *(
        Case(f"{name} {value[:10]!r}", attacking(**{name: value}), parameter(name))
        for name in ("attack", "norm")
        for value in ("", "PGD", "l1", LONG, WIDE)
    ),
    *(
        Case(f"{name} {value}", attacking(**{name: value}), parameter(name))
        for name, values in {
            "epsilon": (0, -1, NAN, INF, 1 / 256),
            "step_size": (0, -1, NAN, INF, -INF),
            "confidence": (-0.1, 1, NAN, INF),
            "steps": (0, -1, 100_001),
            "restarts": (0, 17, -1),
            "seed": (-1, -(2**63)),
        }.items()
        for value in values
    ),
    *(
        Case(f"restarts of {attack}", attacking(attack=attack, restarts=2), parameter("restarts"), attack)
        for attack in ("ascent", "fgsm", "deepfool")
    ),
    Case("too many steps", attacking(steps=MAX_STEPS + 1), out_of_range("steps"), str(MAX_STEPS)),
]
WITH_CARD = [
    Case(
        "an unknown class", attacking(target=ClassReference(label="dag")), (INVALID, "UNKNOWN_CLASS", "target"), "dog"
    ),
    Case("index 3", from_noise(target=ClassReference(index=3)), (INVALID, "UNKNOWN_CLASS", "target"), "0 to 2"),
]


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_it_is_refused(case: Case, send: Callable[[Message], object]) -> None:
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert has_field(case.request, case.expected[2])


@pytest.mark.parametrize("case", WITH_CARD, ids=case_id)
def test_what_the_models_card_does_not_have_is_refused(
    case: Case, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    jobs.publish(CARD)
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert jobs.names() == jobs.files() == []


GOOD = {
    "pgd": attacking(),
    "pgd at its limits": attacking(
        epsilon=1 / 255, restarts=16, steps=MAX_STEPS, confidence=0.999, random_start=False, seed=2**63 - 1
    ),
    "pgd for a class": attacking(target=DOG, norm="l2", epsilon=1e-6),
    "fgsm": attacking(attack="fgsm", target=ClassReference(index=2)),
    "deepfool": attacking(attack="deepfool", norm="l2"),
    "ascent of a picture": attacking(attack="ascent"),
    "ascent": from_noise(),
    "ascent of noise": from_noise(attack="ascent", step_size=1e-6, steps=1),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_limits_themselves_are_taken(name: str, jobs: Jobs, send: Callable[[Message], Any]) -> None:
    jobs.publish(CARD)
    job = send(GOOD[name]).name
    spec = jobs.claim(CREATE_ADVERSARIAL).spec
    assert spec["parameters"]["attack"] == name.split(maxsplit=1)[0]
    pictured = GOOD[name].HasField("image")
    assert jobs.files() == ([f"{job}/inputs/image.png"] if pictured else [])
    assert list(spec["inputs"]) == (["image.png"] if pictured else [])
