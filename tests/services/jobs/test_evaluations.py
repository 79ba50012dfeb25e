"""What an evaluation asks for is checked before anything is queued; without a worker, whose part tests play."""

from collections.abc import Callable
from typing import Any

import pytest

from convscope.services.common.jobs.job import File
from convscope.services.common.jobs.kinds import EVALUATE_ATTENTION, EVALUATE_METHODS
from convscope.v1 import evaluation_service_pb2 as messages
from convscope.v1.collection_service_pb2 import ImportImagesRequest, NewAttentionMap, ShapesSource
from convscope.v1.evaluation_service_pb2 import (
    EvaluateAttentionRequest,
    EvaluateAttentionResponse,
    EvaluateMethodsRequest,
    EvaluateMethodsResponse,
)
from convscope.v1.method_pb2 import Method
from convscope.v1.model_service_pb2 import MODEL_TASK_VQA, ModelCard
from convscope.v1.synthesis_service_pb2 import JobOptions
from tests.services.calls import SECONDS, refusal
from tests.services.jobs.server import MODEL, Jobs
from tests.services.jobs.test_annotations import NOWHERE, asked, filled, mask, send

INVALID, MISSING, UNFIT = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"


def method(name: str, **fields: Any) -> Method:
    found = Method()
    getattr(found, name).SetInParent()
    for field, value in fields.items():
        setattr(getattr(found, name), field, value)
    return found


def evaluating(collection: str, **fields: Any) -> EvaluateMethodsRequest:
    return EvaluateMethodsRequest(
        **{"collection": collection, "model": f"models/{MODEL}", "methods": [method("grad_cam")], **fields}
    )


def looking(collection: str, **fields: Any) -> EvaluateAttentionRequest:
    return EvaluateAttentionRequest(
        **{"collection": collection, "model": f"models/{MODEL}", "methods": [method("grad_cam")], **fields}
    )


def evaluate(jobs: Jobs, request: Any) -> str:
    """The job's id."""
    call = jobs.stubs.evaluate_methods if isinstance(request, EvaluateMethodsRequest) else jobs.stubs.evaluate_attention
    return str(call(request, timeout=SECONDS).name).removeprefix("jobs/")


def spec_of(jobs: Jobs, id: str) -> dict[str, Any]:
    job = jobs.records.find(id)
    assert job is not None
    return job.spec


def known(jobs: Jobs, *, masks: int = 0, maps: int = 0, count: int = 3) -> str:
    """A collection of annotated images."""
    name = filled(jobs)
    items = [asked(f"q{place}", place % 3, mask=mask() if place < masks else b"") for place in range(count)]
    looked = [NewAttentionMap(file_name=f"q{count - 1 - place}_1.png", content=mask()) for place in range(maps)]
    send(jobs, name, [*items, *looked])
    return name


def test_an_evaluation_of_images_asks_for_what_can_be_measured(jobs: Jobs) -> None:
    methods = [method("grad_cam", layer="x"), method("gradient")]
    spec = spec_of(jobs, evaluate(jobs, evaluating(filled(jobs), methods=methods, seed=4, curve_steps=7)))
    assert (spec["annotated"], spec["numbers"], spec["source"]) == (False, [0, 1, 2], None)
    assert spec["metrics"] == [
        "insertion", "deletion", "occlusion_correlation", "infidelity", "max_sensitivity", "randomization",
    ]  # fmt: skip
    assert spec["methods"] == ['{"grad_cam": {"layer": "x"}}', '{"gradient": {}}']
    assert (spec["parameters"]["seed"], spec["parameters"]["curve_steps"]) == (4, 7)
    assert spec["parameters"]["samples"] == 10


def test_of_annotations_with_masks_and_maps_all_is_measured_and_a_limit_takes_the_first(jobs: Jobs) -> None:
    spec = spec_of(jobs, evaluate(jobs, evaluating(known(jobs, masks=1, maps=1, count=5), limit=4)))
    assert (spec["annotated"], spec["numbers"], spec["source"]) == (True, [0, 1, 2, 3], "people")
    assert spec["metrics"][0] == "pointing_game"
    assert spec["metrics"][-1] == "attention_correlation"


def test_metrics_that_are_asked_for_keep_their_order(jobs: Jobs) -> None:
    wanted = [messages.METRIC_DELETION, messages.METRIC_INSERTION]
    assert spec_of(jobs, evaluate(jobs, evaluating(filled(jobs), metrics=wanted)))["metrics"] == [
        "deletion",
        "insertion",
    ]


def test_attention_is_that_of_people_or_where_there_is_none_the_truth(jobs: Jobs) -> None:
    spec = spec_of(jobs, evaluate(jobs, looking(known(jobs, masks=4, maps=3, count=5))))
    assert (spec["source"], spec["numbers"]) == ("people", [2, 3, 4])
    spec = spec_of(jobs, evaluate(jobs, looking(known(jobs, masks=4, count=5), limit=3)))
    assert (spec["source"], spec["numbers"]) == ("truth", [0, 1, 2])
    assert spec["metrics"] == ["attention_correlation"]


Case = tuple[Callable[[Jobs], Any], str, str, str]
WRONG: dict[str, Case] = {
    "no collection": (lambda _: evaluating(""), INVALID, "NAME_INVALID", "collection"),
    "a collection that is gone": (lambda _: evaluating(NOWHERE), MISSING, "UNKNOWN_COLLECTION", "collection"),
    "no model": (lambda jobs: evaluating(filled(jobs), model=""), INVALID, "MODEL_MISSING", "model"),
    "no such model": (lambda jobs: evaluating(filled(jobs), model="models/a b"), INVALID, "NAME_INVALID", "model"),
    "no method": (lambda jobs: evaluating(filled(jobs), methods=[]), INVALID, "OUT_OF_RANGE", "methods"),
    "too many methods": (
        lambda jobs: evaluating(filled(jobs), methods=[method("saliency")] * 17), INVALID, "OUT_OF_RANGE", "methods",
    ),
    "an unknown method": (
        lambda jobs: evaluating(filled(jobs), methods=[method("gradient"), Method()]),
        INVALID, "UNKNOWN_METHOD", "methods[1]",
    ),
    "a method that gives no map": (
        lambda jobs: evaluating(filled(jobs), methods=[method("segment")]), INVALID, "UNKNOWN_METHOD", "methods[0]",
    ),
    "a method twice": (
        lambda jobs: evaluating(filled(jobs), methods=[method("gradient"), method("gradient")]),
        INVALID, "INVALID_PARAMETER", "methods[1]",
    ),
    "an unknown metric": (
        lambda jobs: evaluating(filled(jobs), metrics=[messages.METRIC_UNSPECIFIED]),
        INVALID, "UNKNOWN_METRIC", "metrics[0]",
    ),
    "a metric of tomorrow": (
        lambda jobs: evaluating(filled(jobs), metrics=[99]), INVALID, "UNKNOWN_METRIC", "metrics[0]",
    ),
    "a metric twice": (
        lambda jobs: evaluating(filled(jobs), metrics=[messages.METRIC_DELETION] * 2),
        INVALID, "INVALID_PARAMETER", "metrics[1]",
    ),
    "masks that are not there": (
        lambda jobs: evaluating(known(jobs, maps=1), metrics=[messages.METRIC_ENERGY_INSIDE]),
        UNFIT, "MASKS_MISSING", "metrics[0]",
    ),
    "attention that is not there": (
        lambda jobs: evaluating(known(jobs, masks=2), metrics=[messages.METRIC_ATTENTION_CORRELATION]),
        UNFIT, "ATTENTION_MISSING", "metrics[0]",
    ),
    "one example": (lambda jobs: evaluating(filled(jobs, 1)), UNFIT, "EXAMPLES_TOO_FEW", "collection"),
    "no example": (lambda jobs: evaluating(filled(jobs, 0)), UNFIT, "EXAMPLES_TOO_FEW", "collection"),
    "a limit of one": (lambda jobs: evaluating(filled(jobs), limit=1), INVALID, "OUT_OF_RANGE", "limit"),
    "a negative limit": (lambda jobs: evaluating(filled(jobs), limit=-1), INVALID, "OUT_OF_RANGE", "limit"),
    "a negative seed": (lambda jobs: evaluating(filled(jobs), seed=-1), INVALID, "INVALID_PARAMETER", "seed"),
    "no steps": (lambda jobs: evaluating(filled(jobs), curve_steps=0), INVALID, "INVALID_PARAMETER", "curve_steps"),
    "no samples": (lambda jobs: evaluating(filled(jobs), samples=0), INVALID, "INVALID_PARAMETER", "samples"),
    "no noise": (lambda jobs: evaluating(filled(jobs), noise=0.0), INVALID, "INVALID_PARAMETER", "noise"),
    "a noise that is none": (
        lambda jobs: evaluating(filled(jobs), noise=float("nan")), INVALID, "INVALID_PARAMETER", "noise",
    ),
    "an endless radius": (
        lambda jobs: evaluating(filled(jobs), radius=float("inf")), INVALID, "INVALID_PARAMETER", "radius",
    ),
    "a negative tolerance": (
        lambda jobs: evaluating(filled(jobs), tolerance=-1.0), INVALID, "INVALID_PARAMETER", "tolerance",
    ),
    "too many stages": (lambda jobs: evaluating(filled(jobs), stages=101), INVALID, "INVALID_PARAMETER", "stages"),
    "an impossible priority": (
        lambda jobs: evaluating(filled(jobs), options=JobOptions(priority=10)),
        INVALID, "OUT_OF_RANGE", "options.priority",
    ),
    "attention: neither maps nor masks": (
        lambda jobs: looking(known(jobs)), UNFIT, "ATTENTION_MISSING", "collection",
    ),
    "attention: images alone": (lambda jobs: looking(filled(jobs)), UNFIT, "ATTENTION_MISSING", "collection"),
    "attention: one map": (lambda jobs: looking(known(jobs, maps=1)), UNFIT, "EXAMPLES_TOO_FEW", "collection"),
    "attention: a limit of one": (
        lambda jobs: looking(known(jobs, maps=2), limit=1), INVALID, "OUT_OF_RANGE", "limit",
    ),
    "attention: no method": (
        lambda jobs: looking(known(jobs, maps=2), methods=[]), INVALID, "OUT_OF_RANGE", "methods",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_of", "code", "reason", "field"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_evaluated_is_refused_before_it_is_queued(
    request_of: Callable[[Jobs], Any], code: str, reason: str, field: str, jobs: Jobs
) -> None:
    request = request_of(jobs)
    found = refusal(lambda: evaluate(jobs, request))
    assert (found.code, found.reason, found.field) == (code, reason, field), found
    assert jobs.records.queued(EVALUATE_METHODS) == jobs.records.queued(EVALUATE_ATTENTION) == 0


def test_images_of_a_model_that_answers_questions_are_refused_where_it_is_known(jobs: Jobs) -> None:
    card = ModelCard(task=MODEL_TASK_VQA)
    jobs.publish(card)
    found = refusal(lambda: evaluate(jobs, evaluating(filled(jobs))))
    assert (found.code, found.reason, found.field) == (UNFIT, "QUESTIONS_MISSING", "collection")


def test_one_job_at_a_time_works_on_a_collection_and_the_same_call_is_the_same_job(jobs: Jobs) -> None:
    name = filled(jobs)
    request = evaluating(name, options=JobOptions(request_id="mine"))
    id = evaluate(jobs, request)
    assert evaluate(jobs, request) == id
    found = refusal(lambda: evaluate(jobs, evaluating(name)))
    assert (found.code, found.reason) == (UNFIT, "COLLECTION_BUSY")


@pytest.mark.parametrize("kind", [EVALUATE_METHODS, EVALUATE_ATTENTION])
def test_what_a_worker_leaves_is_the_response(kind: str, jobs: Jobs) -> None:
    name = known(jobs, masks=3)
    id = evaluate(jobs, evaluating(name) if kind == EVALUATE_METHODS else looking(name))
    lease = jobs.claim(kind)
    table = [
        {"method": "grad_cam", "estimates": {"deletion": {"mean": 0.25, "standard_error": 0.5, "count": 3}}},
        {"method": "random", "estimates": {"deletion": {"mean": 0.75, "standard_error": None, "count": 1}}},
    ]
    result = {
        "collection": name.removeprefix("collections/"), "example_count": 3, "source": "truth", "methods": table
    }  # fmt: skip
    files = [File(one, "text/plain", 0, "", f"jobs/{id}/{one}") for one in ("report.json", "report.html", "chart.svg")]
    jobs.records.succeed(lease, result, files)
    response = EvaluateMethodsResponse() if kind == EVALUATE_METHODS else EvaluateAttentionResponse()
    assert jobs.get(f"jobs/{id}").response.Unpack(response)
    assert (response.collection, response.example_count) == (name, 3)
    assert (response.report, response.page) == (f"jobs/{id}/artifacts/report.json", f"jobs/{id}/artifacts/report.html")
    first, last = response.methods
    assert (first.method, first.estimates[0].metric, first.estimates[0].mean) == (
        "grad_cam", messages.METRIC_DELETION, 0.25,
    )  # fmt: skip
    assert first.estimates[0].standard_error == 0.5
    assert not last.estimates[0].HasField("standard_error")
    if isinstance(response, EvaluateAttentionResponse):
        assert response.source == messages.ATTENTION_SOURCE_TRUTH
        assert response.chart == f"jobs/{id}/artifacts/chart.svg"


SHAPES: dict[str, tuple[dict[str, Any], str, str]] = {
    "none": ({"count": 0}, "OUT_OF_RANGE", "shapes.count"),
    "too many": ({"count": 10_001}, "OUT_OF_RANGE", "shapes.count"),
    "a negative seed": ({"count": 3, "seed": -1}, "OUT_OF_RANGE", "shapes.seed"),
    "a task of tomorrow": ({"count": 3, "task": 9}, "OUT_OF_RANGE", "shapes.task"),
}


@pytest.mark.parametrize(("fields", "reason", "field"), SHAPES.values(), ids=SHAPES)
def test_shapes_that_cannot_be_made_are_refused(fields: dict[str, Any], reason: str, field: str, jobs: Jobs) -> None:
    request = ImportImagesRequest(collection=filled(jobs, 0), shapes=ShapesSource(**fields))
    found = refusal(lambda: jobs.stubs.import_images(request, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == (INVALID, reason, field)


def test_images_come_from_one_place(jobs: Jobs) -> None:
    request = ImportImagesRequest(collection=filled(jobs, 0), url="file:///data", shapes=ShapesSource(count=3))
    found = refusal(lambda: jobs.stubs.import_images(request, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == (INVALID, "CONTRADICTION", "url")
