"""What the worker gets is what was asked for, whole: the recipe's parameters, but for those that are set."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from convscope.engine.synthesis.parameters import AdversarialParameters, DeepDreamParameters, SynthesisParameters
from convscope.engine.synthesis.recipes import DEFAULT_INVERSION, DEFAULT_RECIPE, INVERSIONS, RECIPES
from convscope.services.common.jobs.kinds import (
    CREATE_ADVERSARIAL,
    DEEP_DREAM,
    INVERT_FEATURES,
    VISUALIZE_CHANNEL,
    VISUALIZE_CLASS,
)
from convscope.v1 import synthesis_service_pb2
from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import Layer, ModelCard, Preprocessing
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    JobOptions,
    SynthesisStage,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.services.jobs.server import MODEL, PNG, Jobs, attacking, dreaming, inverting, picturing

Send = Callable[[Message], Any]
CARD = ModelCard(
    class_count=300,
    labels=[*map(str, range(299)), "tabby"],
    layers=[Layer(name=f"blocks.{place}", output_shape=[8, 4, 4]) for place in range(4)],
    preprocessing=Preprocessing(height=48, width=64, resize=64),
)


def spec_of(jobs: Jobs, kind: str) -> dict[str, Any]:
    """What the worker gets, but for the digests of files."""
    lease = jobs.claim(kind)
    assert (lease.model, lease.kind, lease.attempt) == (MODEL, kind, 1)
    spec = dict(lease.spec)
    spec["inputs"] = sorted(spec["inputs"])
    return spec


def otherwise(**fields: Any) -> synthesis_service_pb2.SynthesisParameters:
    return synthesis_service_pb2.SynthesisParameters(**fields)


@pytest.fixture(params=[False, True], ids=["without a card", "with a card"])
def known(request: pytest.FixtureRequest, jobs: Jobs) -> None:
    """Whether the jobs server has the model's card is all the same."""
    if request.param:
        jobs.publish(CARD)


@pytest.mark.usefixtures("known")
def test_a_class(jobs: Jobs, send: Send) -> None:
    stage = SynthesisStage(share=2, step=[0.5, 0.25], layer="head")
    parameters = otherwise(steps=7, seed=11, step_size=2.5, noise=0, bounded=True, stages=[stage, SynthesisStage()])
    request = VisualizeClassRequest(
        model=f"models/{MODEL}",
        targets=[ClassReference(index=3), ClassReference(label="tabby")],
        recipe="simonyan2013",
        parameters=parameters,
        image=Image(encoded=PNG),
        options=JobOptions(preview_seconds=0.5),
    )
    send(request)
    recipe = RECIPES["simonyan2013"].parameters
    even = {"share": 1.0, "scale": 1.0, "step": [1.0, 1.0], "blur": [1.0, 1.0], "layer": ""}
    changes = {"steps": 7, "seed": 11, "step_size": 2.5, "noise": 0.0, "bounded": True}
    stages = [even | {"share": 2.0, "step": [0.5, 0.25], "layer": "head"}, even]
    assert spec_of(jobs, VISUALIZE_CLASS) == {
        "targets": [3, "tabby"],
        "recipe": "simonyan2013",
        "parameters": recipe.model_dump(mode="json") | changes | {"stages": stages},
        "inputs": ["image.png"],
        "preview_seconds": 0.5,
    }


@pytest.mark.usefixtures("known")
def test_units(jobs: Jobs, send: Send) -> None:
    units = [Unit(layer="blocks.3", channel=2), Unit(layer="inception4c", channel=7, row=0, column=3)]
    send(VisualizeChannelRequest(model=MODEL, units=units))
    assert spec_of(jobs, VISUALIZE_CHANNEL) == {
        "units": [
            {"layer": "blocks.3", "channel": 2},
            {"layer": "inception4c", "channel": 7, "row": 0, "column": 3},
        ],
        "recipe": DEFAULT_RECIPE,
        "parameters": RECIPES[DEFAULT_RECIPE].parameters.model_dump(mode="json"),
        "inputs": [],
        "preview_seconds": 2.0,
    }


@pytest.mark.usefixtures("known")
def test_a_dream(jobs: Jobs, send: Send) -> None:
    send(dreaming(layer="blocks.1", channels=[3, 1], steps=2, guide=Image(encoded=PNG)))
    parameters = DeepDreamParameters(layer="blocks.1", channels=(3, 1), steps=2)
    assert spec_of(jobs, DEEP_DREAM) == {
        "parameters": parameters.model_dump(mode="json"),
        "inputs": ["guide.png", "image.png"],
        "preview_seconds": 2.0,
    }


@pytest.mark.usefixtures("known")
def test_an_inversion(jobs: Jobs, send: Send) -> None:
    send(inverting(layers=["blocks.1", "conv3_1"], parameters=otherwise(tv_weight=0)))
    parameters = INVERSIONS[DEFAULT_INVERSION].with_overrides({"tv_weight": 0.0})
    assert spec_of(jobs, INVERT_FEATURES) == {
        "layers": ["blocks.1", "conv3_1"],
        "all_layers": False,
        "recipe": DEFAULT_INVERSION,
        "parameters": parameters.model_dump(mode="json"),
        "inputs": ["image.png"],
        "preview_seconds": 2.0,
    }


def test_an_inversion_of_all_layers_by_the_recipe_of_its_name(jobs: Jobs, send: Send) -> None:
    send(inverting(all_layers=True, recipe="olah2017"))
    spec = spec_of(jobs, INVERT_FEATURES)
    assert (spec["layers"], spec["all_layers"], spec["recipe"]) == ([], True, "olah2017")
    assert spec["parameters"] == INVERSIONS["olah2017"].parameters.model_dump(mode="json")


ATTACKS: list[tuple[CreateAdversarialRequest, int | str | None, dict[str, Any]]] = [
    (attacking(), None, {"attack": "pgd"}),
    (
        attacking(attack="fgsm", norm="l2", epsilon=2.5, seed=3, target=ClassReference(label="tabby")),
        "tabby",
        {"attack": "fgsm", "norm": "l2", "epsilon": 2.5, "seed": 3},
    ),
    (
        attacking(restarts=3, random_start=False, confidence=0.5, step_size=0.01, steps=7),
        None,
        {"restarts": 3, "random_start": False, "confidence": 0.5, "step_size": 0.01, "steps": 7},
    ),
    (CreateAdversarialRequest(model=MODEL, target=ClassReference(index=0)), 0, {"attack": "ascent"}),
]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("request_", "target", "parameters"), ATTACKS, ids=range(len(ATTACKS)))
def test_an_attack(
    request_: CreateAdversarialRequest, target: int | str | None, parameters: dict[str, Any], jobs: Jobs
) -> None:
    jobs.stubs.create_adversarial(request_)
    assert spec_of(jobs, CREATE_ADVERSARIAL) == {
        "target": target,
        "parameters": AdversarialParameters(**parameters).model_dump(mode="json"),
        "inputs": ["image.png"] if request_.HasField("image") else [],
        "preview_seconds": 2.0,
    }


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_comes_to_the_worker_as_it_is(recipe: str, jobs: Jobs, send: Send) -> None:
    coded = RECIPES[recipe].parameters.parameterization == "code"
    send(picturing(recipe=recipe, prior=f"priors/{MODEL}" if coded else ""))
    spec = spec_of(jobs, VISUALIZE_CHANNEL)
    assert spec["recipe"] == recipe
    assert ("prior" in spec) == coded
    assert SynthesisParameters.parse(spec["parameters"]) == RECIPES[recipe].parameters


@pytest.mark.parametrize("recipe", INVERSIONS)
def test_every_recipe_of_inversion_comes_to_the_worker_as_it_is(recipe: str, jobs: Jobs, send: Send) -> None:
    send(inverting(recipe=recipe))
    spec = spec_of(jobs, INVERT_FEATURES)
    assert SynthesisParameters.parse(spec["parameters"]) == INVERSIONS[recipe].parameters
