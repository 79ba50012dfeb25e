"""The list of recipes."""

from collections.abc import Iterator
from typing import Any

import pytest

from convscope.client import Client, Recipe
from convscope.client.recipes import ADDITIONS
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from tests.clients.conftest import CLIENTS
from tests.clients.job_stand_in import JobServer, serving_jobs
from tests.clients.recipe_list import list_of_recipes
from tests.clients.test_jobs import MODEL


@pytest.fixture
def server() -> Iterator[JobServer]:
    with serving_jobs() as server:
        yield server


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_recipes_are_those_that_there_are(server: JobServer, kind: str) -> None:
    found: list[Recipe] = CLIENTS[kind](server.address).recipes()
    assert [(one.name, one.purpose) for one in found] == [
        *((name, "visualization") for name in RECIPES),
        *((name, "inversion") for name in INVERSIONS),
    ]
    for one, ours in zip(found, [*RECIPES.values(), *INVERSIONS.values()], strict=True):
        assert (one.system, one.source, one.summary) == (ours.system, ours.source, ours.summary)
        assert one.additions == ours.additions
        assert set(one.additions) <= set(ADDITIONS)


def test_parameters_are_plain_values_and_only_those_that_are_set(server: JobServer) -> None:
    with Client.connect(server.address) as client:
        found = {one.name: one for one in client.recipes() if one.purpose == "visualization"}
    olah, oygaard = found["olah2017"], found["oygaard2015"]
    assert (olah.parameters["parameterization"], olah.parameters["steps"]) == ("fourier", 512)
    assert (olah.parameters["bounded"], olah.parameters["noise"]) == (False, 0.01)
    assert not {"size", "brightness", "stages"} & set(olah.parameters), "not set: the model's, the mean, one stage"
    assert oygaard.parameters["stages"][0]["blur"] == pytest.approx([1, 0.78 / 2.5])
    assert oygaard.parameters["stages"][0]["layer"] == "loss3/classifier"
    assert "parameters" not in repr(olah)
    assert len({olah, oygaard, olah}) == 2


def test_a_recipes_parameters_are_keyword_arguments(server: JobServer) -> None:
    messages = {one.name: one for one in list_of_recipes().recipes if one.purpose == 1}
    with Client.connect(server.address) as client:
        for one in client.recipes():
            if one.purpose == "visualization":
                how: dict[str, Any] = dict(one.parameters)
                client.visualize_class(model=MODEL, target=281, recipe=one.name, **how)
    assert len(server.jobs.requests) == len(messages) > 10
    for request in server.jobs.requests:
        assert request.parameters == messages[request.recipe].parameters, request.recipe
