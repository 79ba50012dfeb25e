"""How good methods are: what is asked of a server, and what is made of its answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import (
    Annotation,
    AttentionEvaluation,
    Client,
    Collection,
    Estimate,
    Evaluation,
    MethodEvaluation,
    ServerFault,
    Variant,
)
from convscope.v1 import evaluation_service_pb2 as messages
from convscope.v1.collection_service_pb2 import ImportImagesRequest, ShapesSource
from convscope.v1.method_pb2 import GradCamParameters, GradientParameters, Method, OcclusionParameters
from convscope.v1.model_service_pb2 import MODEL_TASK_CAPTION, MODEL_TASK_CLASSIFY, MODEL_TASK_VQA, ModelTask
from convscope.v1.synthesis_service_pb2 import JobOptions
from tests.clients.collections.calls import MODEL, SECONDS, Calls
from tests.clients.collections.evaluation_stand_in import CHART_SVG, ERROR, REPORT_HTML
from tests.clients.collections.stand_in import CollectionStandIn

MASK = np.ones((30, 40), bool)
GRAD_CAM, GRADIENT = Method(grad_cam=GradCamParameters()), Method(gradient=GradientParameters())


@pytest.mark.parametrize(
    ("task", "message"), [("classify", MODEL_TASK_CLASSIFY), ("caption", MODEL_TASK_CAPTION), ("vqa", MODEL_TASK_VQA)]
)
def test_shapes_are_asked_for_by_their_task(
    calls: Calls, kept: CollectionStandIn, task: str, message: ModelTask
) -> None:
    name = kept.add_collection()
    found = calls.result(name, "import_shapes", task, np.int32(200), seed=2**40, priority=7, request_id="mine")
    assert (found.added, str(found)) == (5, "5 images added, 2 there already, 1 broken")
    assert kept.requests == [
        ImportImagesRequest(
            collection=name,
            shapes=ShapesSource(task=message, count=200, seed=2**40),
            options=JobOptions(request_id="mine", priority=7),
        )
    ]
    calls(name, "import_shapes", task, 1, request_id="other")
    assert kept.requests[1] == ImportImagesRequest(
        collection=name, shapes=ShapesSource(task=message, count=1), options=JobOptions(request_id="other")
    )


def test_all_that_is_said_of_an_evaluation_is_sent(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=3)
    calls(
        name, "evaluate_methods", model=MODEL, metrics=["deletion", "randomization"], limit=np.int64(2), seed=2**40,
        methods=["grad_cam", Variant("grad_cam", layer="layer3", relu=False), Variant("occlusion", window=8)],
        tolerance=15, curve_steps=10, samples=3, noise=0.5, radius=0.25, stages=4, priority=3, request_id="mine",
    )  # fmt: skip
    expected = messages.EvaluateMethodsRequest(
        collection=name, model=f"models/{MODEL}", limit=2, seed=2**40, tolerance=15.0, curve_steps=10, samples=3,
        methods=[
            GRAD_CAM,
            Method(grad_cam=GradCamParameters(layer="layer3", relu=False)),
            Method(occlusion=OcclusionParameters(window=8)),
        ],
        metrics=[messages.METRIC_DELETION, messages.METRIC_RANDOMIZATION], noise=0.5, radius=0.25, stages=4,
        options=JobOptions(request_id="mine", priority=3),
    )  # fmt: skip
    assert kept.requests == [expected]
    calls(
        name, "evaluate_attention", model=f"models/{MODEL}", methods=(Variant("gradient"), "grad_cam"), limit=5, seed=1,
        priority=0, request_id="other",
    )  # fmt: skip
    assert kept.requests[1] == messages.EvaluateAttentionRequest(
        collection=name, model=f"models/{MODEL}", methods=[GRADIENT, GRAD_CAM], limit=5, seed=1,
        options=JobOptions(request_id="other", priority=0),
    )  # fmt: skip


def test_what_is_not_said_is_left_to_the_server(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=3)
    for methods in ("grad_cam", Variant("grad_cam"), ["grad_cam"], iter([Variant("grad_cam", layer=None)])):
        calls(name, "evaluate_methods", model=MODEL, methods=methods)
        assert len(kept.requests[-1].options.request_id) == 32
        kept.requests[-1].options.ClearField("request_id")
        assert kept.requests[-1] == messages.EvaluateMethodsRequest(
            collection=name, model=f"models/{MODEL}", methods=[GRAD_CAM], options=JobOptions()
        )
    calls(name, "evaluate_methods", model=MODEL, methods="grad_cam", metrics="insertion")
    assert list(kept.requests[-1].metrics) == [messages.METRIC_INSERTION]
    calls(name, "evaluate_attention", model=MODEL, methods="grad_cam", request_id="mine")
    assert kept.requests[-1] == messages.EvaluateAttentionRequest(
        collection=name, model=f"models/{MODEL}", methods=[GRAD_CAM], options=JobOptions(request_id="mine")
    )


def test_every_metric_of_the_contract_has_its_name(calls: Calls, kept: CollectionStandIn) -> None:
    names = [
        "pointing_game", "box_overlap", "energy_inside", "insertion", "deletion", "occlusion_correlation", "infidelity",
        "max_sensitivity", "randomization", "attention_correlation",
    ]  # fmt: skip
    found = calls.result(
        kept.add_collection(images=3), "evaluate_methods", model=MODEL, methods="gradient", metrics=names
    )
    assert list(kept.requests[0].metrics) == [number for number in messages.Metric.values() if number]
    assert (list(found.methods[0].estimates), found.metrics) == (names, tuple(names))


def test_an_evaluation_is_a_table_with_a_report(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    name = kept.add_collection(images=4)
    methods = ["gradient", Variant("grad_cam", layer="layer3")]
    found = calls.result(name, "evaluate_methods", model=MODEL, methods=methods)
    assert isinstance(found, Evaluation)
    assert (found.collection, found.example_count, found.job.kind) == (name, 4, "evaluate_methods")
    assert found.metrics == ("pointing_game", "deletion", "randomization")
    gradient, cam, random = found.methods
    assert gradient == MethodEvaluation("gradient", dict.fromkeys(found.metrics, Estimate(0.3, ERROR, 4)))
    assert cam.method == "grad_cam(layer=layer3)"
    assert cam.estimates["deletion"].mean == pytest.approx(0.2)
    assert random == MethodEvaluation(
        "random", {metric: Estimate(-0.05, ERROR, 3) for metric in ("pointing_game", "deletion")}
    )
    assert found.report == {"examples": [{"id": "q0"}]}
    assert found.page == REPORT_HTML
    assert str(found) == "2 methods by 3 metrics, 4 examples"
    paths = found.save(tmp_path / "some" / "report")
    assert [path.name for path in paths] == ["report.json", "report.html"]
    files = kept.records[found.job.name].files
    assert {path.name: path.read_bytes() for path in (tmp_path / "some" / "report").iterdir()} == files
    assert len(repr(found)) < 3000


def test_attention_is_compared_with_people_where_they_looked(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path
) -> None:
    name = kept.add_collection(images=4)
    calls(name, "annotate", [Annotation(str(number), number, mask=MASK) for number in range(3)])
    methods = ["gradient", "grad_cam"]
    found = calls.result(name, "evaluate_attention", model=MODEL, methods=methods)
    assert isinstance(found, AttentionEvaluation)
    assert (found.source, found.example_count) == ("truth", 3)
    words = "2 methods, 3 examples, compared with the masks, the truth, for there are no attention maps of people"
    assert str(found) == words
    calls(name, "upload_attention", {"0_1.png": MASK, "2_1.png": MASK})
    found = calls.result(name, "evaluate_attention", model=MODEL, methods=methods)
    assert (found.source, found.example_count, found.collection) == ("people", 2, name)
    assert str(found) == "2 methods, 2 examples, compared with where people looked"
    assert [one.method for one in found.methods] == ["gradient", "grad_cam", "random"]
    assert found.metrics == ("attention_correlation",)
    assert (found.chart, found.page, found.report) == (CHART_SVG, REPORT_HTML, {"examples": [{"id": "q0"}]})
    assert [path.name for path in found.save(tmp_path)] == ["report.json", "report.html", "chart.svg"]
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8") == CHART_SVG


def test_an_evaluation_is_found_again_by_the_name_of_its_job(photos: Collection, client: Client) -> None:
    photos.annotate(Annotation("q", 0, mask=MASK))
    for begun in (
        photos.evaluate_methods(model=MODEL, methods="grad_cam"),
        photos.evaluate_attention(model=MODEL, methods="grad_cam"),
    ):
        first, again = begun.result(SECONDS), client.collection_job(begun.name).result(SECONDS)
        assert type(again) is type(first)
        assert (again.methods, again.files, again.job.name) == (first.methods, first.files, begun.name)


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(0.13649, 0.0044, 120), "0.136 ± 0.004 (120)"),
        (Estimate(0.5, None, 1), "0.500 (1)"),
        (Estimate(-0.0004, 0.004, 20), "-0.000 ± 0.004 (20)"),
        (Estimate(1.25e-5, 2.5e-6, 20), "1.25e-05 ± 2.50e-06 (20)"),
        (Estimate(1234567.0, 10.0, 2), "1.23e+06 ± 1.00e+01 (2)"),
        (Estimate(0.0, 0.0, 2), "0.000 ± 0.000 (2)"),
        (Estimate(0.0, None, 0), "none (0)"),
    ],
    ids=str,
)
def test_an_estimate_says_as_much_as_there_is_to_say(estimate: Estimate, words: str) -> None:
    assert str(estimate) == words


def test_an_estimate_of_one_example_has_no_error(photos: Collection, kept: CollectionStandIn) -> None:
    def succeed(name: str) -> None:
        kept.succeed(name)
        response: Any = kept.records[name].response
        response.methods[0].estimates[0].ClearField("standard_error")

    kept.work = succeed
    found = photos.evaluate_methods(model=MODEL, methods="grad_cam").result(SECONDS)
    assert found.methods[0].estimates["pointing_game"] == Estimate(0.3, None, 6)
    assert found.methods[0].estimates["deletion"] == Estimate(0.3, ERROR, 6)


def test_a_metric_and_a_source_that_only_newer_servers_know_are_their_numbers(
    photos: Collection, kept: CollectionStandIn
) -> None:
    newest: Any = 4711

    def succeed(name: str) -> None:
        kept.succeed(name)
        response: Any = kept.records[name].response
        for one in response.methods:
            one.estimates[0].metric = newest
        if isinstance(response, messages.EvaluateAttentionResponse):
            response.source = newest

    kept.work = succeed
    photos.annotate(Annotation("q", 0, mask=MASK))
    by_methods = photos.evaluate_methods(model=MODEL, methods="grad_cam").result(SECONDS)
    assert by_methods.metrics == ("4711", "deletion", "randomization")
    attention = photos.evaluate_attention(model=MODEL, methods="grad_cam").result(SECONDS)
    assert (attention.source, attention.metrics) == ("4711", ("4711",))
    assert str(attention) == "1 method, 1 example, 4711"


DAMAGED: dict[str, tuple[dict[str, bytes], str, str]] = {
    "no JSON": ({"report_json": b"{"}, "report", r"report\.json cannot be read"),
    "no object": ({"report_json": json.dumps([1]).encode()}, "report", r"report\.json holds no object"),
    "no text": ({"report_html": b"\xff"}, "page", r"report\.html cannot be read"),
    "no drawing": ({"chart_svg": b"\xff"}, "chart", r"chart\.svg cannot be read"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_files_that_are_none_are_a_fault_of_the_server(
    photos: Collection, kept: CollectionStandIn, damage: str
) -> None:
    files, what, words = DAMAGED[damage]
    kept.work = lambda name: kept.succeed(name, **files)
    photos.annotate(Annotation("q", 0, mask=MASK))
    found = photos.evaluate_attention(model=MODEL, methods="grad_cam").result(SECONDS)
    with pytest.raises(ServerFault, match=words):
        getattr(found, what)


def test_a_report_that_arrives_damaged_is_not_given(photos: Collection, kept: CollectionStandIn) -> None:
    kept.work = kept.succeed
    job = photos.evaluate_methods(model=MODEL, methods="grad_cam")
    job.wait(SECONDS)
    kept.records[job.name].files["report.json"] = b"[]" + kept.records[job.name].files["report.json"][2:]
    with pytest.raises(ServerFault, match=r"report\.json is damaged"):
        job.result(SECONDS)
