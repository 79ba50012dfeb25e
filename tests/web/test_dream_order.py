"""What is ordered where a model has learned priors, dataset examples, or neither."""

import ast
from dataclasses import replace
from typing import Any

import pytest

from convscope.client import DatasetExamples
from convscope.client.errors import InvalidArgument
from convscope.web.dream.dream_order import DreamOrder
from convscope.web.dream.shown_jobs import LEFT_OUT, ShownJob, query_of, shown_jobs

KNOWN = {"olah2017": "fourier", "nguyen2015": "cppn", "nguyen2016_dgn": "code", "nguyen2016_ppgn": "code"}
ORDER = DreamOrder(
    kind="class", model="naming", picture=None, target=3, recipes=tuple(KNOWN), layer="", channel=0, steps=20, size=64,
    confidence=0.0, seed=0, prior="mine", collection="collections/1", from_best=True, parameterizations=KNOWN,
)  # fmt: skip


def ordered(order: DreamOrder) -> dict[str, dict[str, Any]]:
    return {recipe: arguments for recipe, _, arguments in order.calls()}


def test_each_recipe_is_told_only_what_it_can_use() -> None:
    calls = ordered(ORDER)
    assert {recipe: one.get("prior") for recipe, one in calls.items()} == {
        "olah2017": None, "nguyen2015": None, "nguyen2016_dgn": "mine", "nguyen2016_ppgn": "mine",
    }  # fmt: skip
    assert {recipe for recipe, one in calls.items() if "size" in one} == {"olah2017", "nguyen2015"}
    assert {one["examples"] for recipe, one in calls.items() if recipe != "nguyen2015"} == {
        DatasetExamples("collections/1", start=True)
    }
    assert calls["nguyen2015"]["examples"] == DatasetExamples("collections/1")


def test_without_a_prior_the_rest_of_the_table_is_made() -> None:
    order = replace(ORDER, prior=None)
    assert list(ordered(order)) == ["olah2017", "nguyen2015"]
    assert order.sentence.endswith("Without nguyen2016_dgn and nguyen2016_ppgn, for want of a learned prior.")


def test_without_a_prior_nothing_is_made_where_all_need_one() -> None:
    order = replace(ORDER, prior=None, recipes=("nguyen2016_ppgn",))
    assert order.sentence == "nguyen2016_ppgn makes pictures of a learned prior, and naming has none."
    with pytest.raises(InvalidArgument, match="naming has none"):
        list(order.calls())


@pytest.mark.parametrize("recipes", [tuple(KNOWN), ("nguyen2016_ppgn",), ("olah2017", "nguyen2016_dgn")])
def test_the_program_orders_the_same(recipes: tuple[str, ...]) -> None:
    order = replace(ORDER, recipes=recipes)
    begun: list[dict[str, Any]] = []

    class Job:
        def result(self) -> "Job":
            return self

        def save(self, path: str) -> None:
            assert path

    class Recorder:
        def visualize_class(self, **arguments: Any) -> Job:
            begun.append(arguments)
            return Job()

    (block,) = (one for one in ast.parse(order.lines("nowhere:1")).body if isinstance(one, ast.With))
    program = compile(ast.Module(block.body, []), "program", "exec")
    exec(program, {"client": Recorder(), "DatasetExamples": DatasetExamples})
    assert begun == list(ordered(order).values())


def test_the_address_keeps_the_place_of_what_was_left_out() -> None:
    jobs = [ShownJob("a", "olah2017"), ShownJob(LEFT_OUT, "nguyen2016_dgn"), ShownJob("b", "tyka2016")]
    assert shown_jobs(query_of(jobs)) == jobs
