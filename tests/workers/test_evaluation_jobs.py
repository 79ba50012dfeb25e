"""Evaluations: shared by workers, killed, cancelled; what is found is the same to the digit, and the engine's."""

import json
import os
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.engine.attribution.target import ClassTarget
from convscope.engine.evaluation.appraisal import Appraisal
from convscope.engine.evaluation.asked_network import MeasuredMethod
from convscope.engine.evaluation.case import Case
from convscope.engine.evaluation.parameters import EvaluationParameters
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.shapes.captions import caption
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.engine.shapes.questions import Question
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.jobs.job import Job, State
from convscope.v1 import evaluation_service_pb2 as messages
from convscope.v1.collection_service_pb2 import (
    CreateCollectionRequest,
    GetAnnotationRequest,
    ImportImagesRequest,
    ListAnnotationsRequest,
    NewAnnotation,
    NewAttentionMap,
    ShapesSource,
    UploadAnnotationsRequest,
)
from convscope.v1.evaluation_service_pb2 import (
    EvaluateAttentionRequest,
    EvaluateAttentionResponse,
    EvaluateMethodsRequest,
    EvaluateMethodsResponse,
)
from convscope.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from convscope.v1.method_pb2 import (
    GradCamParameters,
    GradientParameters,
    GuidedBackpropParameters,
    Method,
    OcclusionParameters,
)
from convscope.v1.model_service_pb2 import MODEL_TASK_CAPTION, MODEL_TASK_VQA
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, Target
from tests.processes import wait_until
from tests.workers.jobs_cluster import SECONDS, JobsCluster, jobs_cluster

COUNT, PART, SEED = 24, 2, 12
OTHERS = "".join(
    f'\n[[models]]\nname = "{name}"\nsource = "shapes"\nnetwork = "{network}"\n'
    for name, network in (("naming", "classifier"), ("captioning", "captioner"))
)
GRAD_CAM, GRADIENT = Method(grad_cam=GradCamParameters()), Method(gradient=GradientParameters())
GUIDED = Method(guided_backprop=GuidedBackpropParameters())
OCCLUSION = Method(occlusion=OcclusionParameters(window=16, stride=6))
METRICS = (messages.METRIC_ENERGY_INSIDE, messages.METRIC_DELETION, messages.METRIC_RANDOMIZATION)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsCluster]:
    """Parts of two examples, and one worker."""
    with jobs_cluster(tmp_path_factory.mktemp("evaluation")) as cluster:
        cluster.catalogue.write_text(cluster.catalogue.read_text() + OTHERS)
        cluster.server.stop()
        cluster.start_server(evaluation_part=PART)
        cluster.start_workers(threads=1)
        yield cluster


def world(cluster: JobsCluster, task: Any, count: int = COUNT, name: str = "") -> str:
    """A collection of the small world; its name."""
    name = name or cluster.collections.CreateCollection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    request = ImportImagesRequest(collection=name, shapes=ShapesSource(task=task, count=count, seed=SEED))
    job = cluster.collections.ImportImages(request, timeout=SECONDS).name
    ended = cluster.wait_for_end(job.removeprefix("jobs/"))
    assert ended.state is State.SUCCEEDED, ended.failure
    return name


def annotate(cluster: JobsCluster, name: str, *items: NewAnnotation | NewAttentionMap) -> None:
    first = UploadAnnotationsRequest(collection=name)
    requests = [
        UploadAnnotationsRequest(annotation=item)
        if isinstance(item, NewAnnotation)
        else UploadAnnotationsRequest(attention_map=item)
        for item in items
    ]
    answer = cluster.collections.UploadAnnotations(iter([first, *requests]), timeout=SECONDS)
    assert answer.broken_count == 0, answer


def evaluate(cluster: JobsCluster, request: EvaluateMethodsRequest | EvaluateAttentionRequest) -> str:
    """Hand the job in; its id."""
    stub = EvaluationServiceStub(cluster.channel)
    if isinstance(request, EvaluateMethodsRequest):
        operation = stub.EvaluateMethods(request, timeout=SECONDS)
    else:
        operation = stub.EvaluateAttention(request, timeout=SECONDS)
    return str(operation.name).removeprefix("jobs/")


def asking(name: str, **fields: Any) -> EvaluateMethodsRequest:
    given = {"methods": [GRAD_CAM, OCCLUSION], "metrics": METRICS, "curve_steps": 5, "stages": 2, "seed": 3, **fields}
    return EvaluateMethodsRequest(collection=name, model=given.pop("model", "models/answering"), **given)


def report_of(cluster: JobsCluster, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.files(id)["report.json"])
    return found


def parts(cluster: JobsCluster, id: str) -> int:
    return int(cluster.redis.scard(f"convscope:shards:{id}:done"))


@pytest.fixture(scope="module")
def questions(cluster: JobsCluster) -> str:
    return world(cluster, MODEL_TASK_VQA)


@pytest.fixture(scope="module")
def undisturbed(cluster: JobsCluster, questions: str) -> Job:
    """What one worker finds when nobody disturbs it."""
    job = cluster.wait_for_end(evaluate(cluster, asking(questions)), 120)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1), job.failure
    return job


def test_the_small_world_comes_with_its_truth(cluster: JobsCluster, questions: str) -> None:
    made = ShapesDataset(COUNT, task="question", seed=SEED)
    request = ListAnnotationsRequest(collection=questions, page_size=1000)
    found = cluster.collections.ListAnnotations(request, timeout=SECONDS).annotations
    assert len(found) == COUNT
    for place, annotation in enumerate(found):
        question = made.target(place)
        assert isinstance(question, Question)
        assert annotation.image_number == place
        assert annotation.target == Target(answer=AnswerTarget(question=question.text, answer=question.answer))
        assert annotation.masked == bool(question.evidence)
        got = GetAnnotationRequest(collection=questions, id=annotation.id)
        mask = cluster.collections.GetAnnotation(got, timeout=SECONDS).mask
        if question.evidence:
            expected = made.painting(place).masks[list(question.evidence)].any(axis=0)
            assert np.array_equal(np.asarray(Image.open(BytesIO(mask))) > 127, expected)
    before = cluster.redis.llen(f"convscope:collection:{questions.removeprefix('collections/')}:annotations")
    world(cluster, MODEL_TASK_VQA, name=questions)
    after = cluster.redis.llen(f"convscope:collection:{questions.removeprefix('collections/')}:annotations")
    assert before == after, "the same again is no more"


def test_of_a_caption_each_thing_is_asked_for_by_its_word(cluster: JobsCluster) -> None:
    name, made = world(cluster, MODEL_TASK_CAPTION, 4), ShapesDataset(4, task="caption", seed=SEED)
    found = cluster.collections.ListAnnotations(ListAnnotationsRequest(collection=name), timeout=SECONDS).annotations
    assert len(found) == sum(len(made.scene(place).things) for place in range(4))
    for annotation in found:
        scene = made.scene(annotation.image_number)
        target = annotation.target.caption
        assert target.text == caption(scene)
        assert target.text.split()[target.position] in {thing.shape for thing in scene.things}
        assert annotation.masked


def test_the_report_is_what_the_engine_finds(cluster: JobsCluster, questions: str, undisturbed: Job) -> None:
    report, model = report_of(cluster, undisturbed.id), Catalogue.read().load("shapes_vqa")
    made = ShapesDataset(COUNT, task="question", seed=SEED)
    assert report["example_count"] == COUNT
    assert [one["name"] for one in report["metrics"]] == ["energy_inside", "deletion", "randomization"]
    assert model.tokenizer is not None
    methods = [
        MeasuredMethod("grad_cam", "grad_cam", {}),
        MeasuredMethod("occlusion(window=16, stride=6)", "occlusion", {"window": 16, "stride": 6}),
    ]
    parameters = EvaluationParameters(curve_steps=5, stages=2, seed=3)
    for place in (0, 5, COUNT - 1):
        question, example = made.target(place), report["examples"][place]
        assert isinstance(question, Question)
        masks = made.painting(place).masks[list(question.evidence)]
        case = Case(
            model.preprocessing.crop(made.painting(place).image)[0],
            ClassTarget((model.labels.index_of(question.answer, field="answer"),)),
            tuple(model.tokenizer.encode(question.text, field="question")),
            np.asarray(masks.max(axis=0)) if question.evidence else None,
            number=place,
        )
        appraisal = Appraisal(model, [case], methods, ["energy_inside", "deletion", "randomization"], parameters)
        while not appraisal.over:
            appraisal.advance()
        assert example["target"] == f"{question.text}? {question.answer}"
        assert set(example["values"]) == {"grad_cam", "occlusion(window=16, stride=6)", "random"}
        for label, finding in appraisal.findings[0].items():
            found = {metric: np.nan if one is None else one for metric, one in example["values"][label].items()}
            assert found == pytest.approx(finding.values, abs=1e-3, nan_ok=True), (place, label)
    response = cluster.response(undisturbed.id, EvaluateMethodsResponse())
    for row in response.methods:
        for estimate in row.estimates:
            metric = messages.Metric.Name(estimate.metric).removeprefix("METRIC_").lower()
            values = [example["values"][row.method].get(metric) for example in report["examples"]]
            known = [value for value in values if value is not None]
            assert estimate.count == len(known)
            assert estimate.mean == pytest.approx(np.mean(known))
            assert estimate.standard_error == pytest.approx(np.std(known, ddof=1) / np.sqrt(len(known)))
    page = cluster.download(response.page).decode()
    assert "occlusion(window=16, stride=6)" in page
    assert page.count("data:image/jpeg;base64,") >= 2 * 2, "the best and the worst pictures of both methods"
    assert not (cluster.artifacts / f"jobs/{undisturbed.id}/parts").exists()


def test_a_killed_worker_costs_at_most_its_part(cluster: JobsCluster, questions: str, undisturbed: Job) -> None:
    id = evaluate(cluster, asking(questions))
    wait_until(lambda: parts(cluster, id) >= 3, "some parts", SECONDS)
    os.kill(cluster.worker_of(id).child, signal.SIGKILL)
    folder = cluster.artifacts / f"jobs/{id}/parts"
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".json"}
    assert len(kept) >= 3
    job = cluster.wait_for_end(id, 120)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2), job.failure
    assert report_of(cluster, id) == report_of(cluster, undisturbed.id)


def test_a_cancelled_evaluation_ends_within_its_step(cluster: JobsCluster, questions: str) -> None:
    id = evaluate(cluster, asking(questions, metrics=[]))
    wait_until(lambda: parts(cluster, id) >= 1, "a part", SECONDS)
    cluster.records.cancel(id)
    assert cluster.wait_for_end(id).state is State.CANCELLED
    found = CollectionRecords(cluster.redis).find(questions.removeprefix("collections/"))
    assert found is not None
    again = cluster.wait_for_end(evaluate(cluster, asking(questions, limit=2)))
    assert again.state is State.SUCCEEDED, "the collection is free"


def test_two_workers_share_an_evaluation(cluster: JobsCluster, questions: str, undisturbed: Job) -> None:
    (second,) = cluster.start_workers(threads=1)
    id = evaluate(cluster, asking(questions))
    children = [worker.child for worker in cluster.workers]
    before = [_seconds(child) for child in children]
    job = cluster.wait_for_end(id, 120)
    assert job.state is State.SUCCEEDED, job.failure
    worked = [_seconds(child) - since for child, since in zip(children, before, strict=True)]
    assert min(worked) > 0.1 * max(worked), "both took parts"
    assert report_of(cluster, id) == report_of(cluster, undisturbed.id)
    assert cluster.redis.keys("convscope:shar*") == []
    second.stop()
    cluster.workers.remove(second)


def _seconds(pid: int) -> float:
    """Of a processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_peoples_maps_attention_is_compared_with_the_truth(cluster: JobsCluster, questions: str) -> None:
    request = EvaluateAttentionRequest(collection=questions, model="models/answering", methods=[GUIDED])
    id = evaluate(cluster, request)
    job = cluster.wait_for_end(id)
    assert job.state is State.SUCCEEDED, job.failure
    response = cluster.response(id, EvaluateAttentionResponse())
    assert response.source == messages.ATTENTION_SOURCE_TRUTH
    table = {row.method: row.estimates[0] for row in response.methods}
    assert table["guided_backprop"].mean > table["random"].mean + 3 * table["guided_backprop"].standard_error
    assert abs(table["random"].mean) < 0.1
    assert response.example_count == table["guided_backprop"].count < COUNT, "only those with evidence"
    assert cluster.download(response.chart).startswith(b"<svg")
    assert b"guided_backprop" in cluster.download(response.page)


def test_peoples_maps_are_averaged_over_them(cluster: JobsCluster) -> None:
    name = world(cluster, MODEL_TASK_VQA, 6)
    ids = [
        one.id
        for one in cluster.collections.ListAnnotations(
            ListAnnotationsRequest(collection=name), timeout=SECONDS
        ).annotations
    ]
    rng = np.random.default_rng(0)
    looked = {(id, number): rng.integers(0, 256, (30, 40), np.uint8) for id in ids[:3] for number in (1, 2)}
    maps = [NewAttentionMap(file_name=f"{id}_{number}.png", content=_png(one)) for (id, number), one in looked.items()]
    annotate(cluster, name, *maps)
    request = EvaluateAttentionRequest(collection=name, model="models/answering", methods=[GRADIENT])
    job = evaluate(cluster, request)
    assert cluster.wait_for_end(job).state is State.SUCCEEDED
    report = report_of(cluster, job)
    assert (report["source"], report["example_count"]) == ("people", 3)
    for example in report["examples"]:
        assert -1 < example["values"]["gradient"]["attention_correlation"] < 1
    assert cluster.response(job, EvaluateAttentionResponse()).source == messages.ATTENTION_SOURCE_PEOPLE
    beside = [messages.METRIC_ATTENTION_CORRELATION, messages.METRIC_DELETION]
    job = evaluate(cluster, asking(name, methods=[GRADIENT], metrics=beside))
    assert cluster.wait_for_end(job).state is State.SUCCEEDED
    whole = report_of(cluster, job)
    assert (whole["source"], whole["example_count"]) == (None, 6), "one metric of several"
    found = [example["values"]["gradient"].get("attention_correlation") for example in whole["examples"]]
    assert found[:3] == [example["values"]["gradient"]["attention_correlation"] for example in report["examples"]]
    assert found[3:] == [None] * 3


def _png(values: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def test_images_without_annotations_are_asked_for_what_the_model_says(cluster: JobsCluster) -> None:
    made = ShapesDataset(4, task="class", seed=SEED)
    name = cluster.collections.CreateCollection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    cluster.client.collection(name).upload([made.painting(place).image for place in range(4)])
    for model, first in (("naming", None), ("captioning", "a")):
        id = evaluate(cluster, asking(name, model=f"models/{model}", metrics=[messages.METRIC_DELETION]))
        job = cluster.wait_for_end(id)
        assert job.state is State.SUCCEEDED, job.failure
        targets = [example["target"] for example in report_of(cluster, id)["examples"]]
        assert len(targets) == 4
        assert all(target.split()[0] == first for target in targets) or first is None
        assert {example["values"]["random"]["deletion"] is None for example in report_of(cluster, id)["examples"]} == {
            False
        }


CAPTION = Target(caption=CaptionTarget(text="a mauve circle"))
WRONG: dict[str, tuple[Target, str, list[Method], str, str]] = {
    "a caption with unknown words": (CAPTION, "captioning", [GRAD_CAM], "UNKNOWN_WORD", "collection"),
    "an empty question": (
        Target(answer=AnswerTarget(question=" ")), "answering", [GRAD_CAM], "SENTENCE_EMPTY", "collection",
    ),
    "an unknown answer": (
        Target(answer=AnswerTarget(question="how many circles are there", answer="many")),
        "answering", [GRAD_CAM], "UNKNOWN_CLASS", "collection",
    ),
    "a class that is none": (Target(class_label="zebra"), "naming", [GRAD_CAM], "UNKNOWN_CLASS", "collection"),
    "a question to a classifier": (
        Target(answer=AnswerTarget(question="how many circles are there")),
        "naming", [GRAD_CAM], "TASK_UNSUPPORTED", "collection",
    ),
    "a layer that is none": (
        Target(), "naming", [GRADIENT, Method(grad_cam=GradCamParameters(layer="nope"))],
        "UNKNOWN_LAYER", "methods[1].grad_cam.layer",
    ),
    "a window larger than the picture": (
        Target(), "naming", [Method(occlusion=OcclusionParameters(window=10, stride=20))],
        "INVALID_PARAMETER", "methods[0].occlusion.stride",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_only_a_worker_can_know_fails_the_job_and_is_named(
    wrong: tuple[Target, str, list[Method], str, str], cluster: JobsCluster
) -> None:
    target, model, methods, reason, field = wrong
    made = ShapesDataset(2, task="class", seed=SEED)
    name = cluster.collections.CreateCollection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    cluster.client.collection(name).upload([made.painting(place).image for place in range(2)])
    annotate(
        cluster, name, *(NewAnnotation(id=f"mine{place}", image_number=place, target=target) for place in range(2))
    )
    request = asking(name, model=f"models/{model}", methods=methods, metrics=[messages.METRIC_DELETION])
    job = cluster.wait_for_end(evaluate(cluster, request))
    assert job.state is State.FAILED
    assert job.failure is not None
    assert (job.failure.reason, job.failure.field, job.attempts) == (reason, field, 1), job.failure
    assert field != "collection" or "the annotation mine0" in job.failure.message
