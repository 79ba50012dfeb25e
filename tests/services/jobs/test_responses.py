"""What a worker writes of a job of each kind is what its operation answers."""

from typing import Any

import pytest

from convscope.services.common.jobs.job import NewJob
from convscope.services.common.jobs.kinds import (
    CREATE_ADVERSARIAL,
    DEEP_DREAM,
    INVERT_FEATURES,
    SYNTHESIS_KINDS,
    VISUALIZE_CHANNEL,
    VISUALIZE_CLASS,
)
from convscope.v1 import synthesis_service_pb2
from convscope.v1.prediction_pb2 import Prediction
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialResponse,
    DeepDreamResponse,
    InvertFeaturesResponse,
    SynthesizedImage,
    VisualizeChannelResponse,
    VisualizeClassResponse,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.services.jobs.server import MANY, MODEL, Jobs, result_of


def response_of(operation: Any, kind: str) -> Any:
    name = "".join(part.capitalize() for part in kind.split("_"))
    response = getattr(synthesis_service_pb2, f"{name}Response")()
    assert operation.response.Unpack(response)
    return response


def done(jobs: Jobs, kind: str) -> tuple[str, Any]:
    """A job that has succeeded: its name and its response."""
    name = jobs.hand_in(kind).name
    lease = jobs.claim(kind)
    jobs.records.succeed(lease, result_of(kind), [jobs.leave(lease, b"a picture")])
    return name, response_of(jobs.get(name), kind)


def image(name: str, **fields: Any) -> SynthesizedImage:
    return SynthesizedImage(artifact=f"{name}/artifacts/image-0.png", score=12.5, **fields)


TABBY = {"target": ClassReference(index=281), "label": "tabby", "probability": 0.75}


def test_a_class(jobs: Jobs) -> None:
    name, response = done(jobs, VISUALIZE_CLASS)
    assert response == VisualizeClassResponse(images=[image(name, **TABBY)], recipe="olah2017")


def test_a_neuron(jobs: Jobs) -> None:
    name, response = done(jobs, VISUALIZE_CHANNEL)
    unit = Unit(layer="blocks.1", channel=7, row=0, column=3)
    assert response == VisualizeChannelResponse(images=[image(name, unit=unit)], recipe="olah2017")


def test_a_dream(jobs: Jobs) -> None:
    name, response = done(jobs, DEEP_DREAM)
    assert response == DeepDreamResponse(images=[image(name)], layer="blocks.3")


def test_an_inversion(jobs: Jobs) -> None:
    name, response = done(jobs, INVERT_FEATURES)
    images = [image(name, layer="blocks.3", distance=0.25, similarity=-0.5)]
    assert response == InvertFeaturesResponse(images=images, recipe="mahendran2015")


def test_an_attack(jobs: Jobs) -> None:
    name, response = done(jobs, CREATE_ADVERSARIAL)
    assert response == CreateAdversarialResponse(
        images=[image(name, **TABBY)],
        fooled=True,
        before=[Prediction(index=3, label="tiger shark", score=12.5, probability=0.75)],
        after=[Prediction(index=281, label="tabby", score=12.5, probability=0.75)],
        linf=0.03125,
        l2=1.5,
        changed=0.5,
        steps=7,
        perturbation=f"{name}/artifacts/perturbation.png",
        magnification=16.0,
    )


@pytest.mark.parametrize("kind", SYNTHESIS_KINDS)
def test_what_was_not_measured_is_not_set(kind: str, jobs: Jobs) -> None:
    name = jobs.hand_in(kind).name
    lease = jobs.claim(kind)
    jobs.records.succeed(lease, result_of(kind) | {"images": [{"file": "image-0.png", "score": 12.5}]}, [])
    assert list(response_of(jobs.get(name), kind).images) == [image(name)]


def test_a_job_from_before_there_were_recipes_is_still_told(jobs: Jobs) -> None:
    spec = {"targets": [281], "parameters": {"steps": 7}, "preview_seconds": 2.0}
    jobs.records.accept(
        NewJob("a1", VISUALIZE_CLASS, MODEL, spec, caller="old"), limit=MANY, caller_limit=MANY, retention=60
    )
    lease = jobs.claim()
    jobs.records.succeed(lease, result_of(VISUALIZE_CLASS), [])
    assert response_of(jobs.get("jobs/a1"), VISUALIZE_CLASS).recipe == ""
