"""Priors: trained by a worker as by the engine, killed, handed on, cancelled; and used for pictures."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.client import DatasetExamples
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.training import Training
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.services.common.jobs.events import Preview
from convscope.services.common.jobs.job import Job, State
from convscope.v1 import synthesis_service_pb2 as messages
from convscope.v1.collection_service_pb2 import (
    CreateCollectionRequest,
    ImportImagesRequest,
    IndexCollectionRequest,
    ShapesSource,
)
from convscope.v1.model_service_pb2 import MODEL_TASK_CLASSIFY
from convscope.v1.synthesis_service_pb2 import (
    GetPriorRequest,
    JobOptions,
    ListPriorsRequest,
    PriorTraining,
    SynthesisParameters,
    TrainPriorRequest,
    TrainPriorResponse,
    VisualizeChannelRequest,
    VisualizeChannelResponse,
    VisualizeClassRequest,
    VisualizeClassResponse,
)
from convscope.v1.synthesis_service_pb2_grpc import SynthesisServiceStub
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.processes import wait_until
from tests.workers.jobs_cluster import SECONDS, JobsCluster, jobs_cluster

COUNT, SEED, STEPS, BATCH = 80, 12, 30, 8
LAYER = "eye.block5"
NAMING = '\n[[models]]\nname = "naming"\nsource = "shapes"\nnetwork = "classifier"\n'
TURN_SECONDS = 5
RED_CIRCLE, RED_STAR = 0, 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsCluster]:
    with jobs_cluster(tmp_path_factory.mktemp("priors")) as cluster:
        cluster.catalogue.write_text(cluster.catalogue.read_text() + NAMING)
        cluster.start_workers(threads=1)
        yield cluster


@pytest.fixture(scope="module")
def pictures(cluster: JobsCluster) -> str:
    """A collection of the small world, indexed."""
    name = world(cluster)
    request = IndexCollectionRequest(collection=name, model="models/naming", layers=[LAYER])
    operation = cluster.collections.IndexCollection(request, timeout=SECONDS)
    assert ended(cluster, operation.name).state is State.SUCCEEDED
    return name


def world(cluster: JobsCluster) -> str:
    """A collection of the small world."""
    name = cluster.collections.CreateCollection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    source = ShapesSource(task=MODEL_TASK_CLASSIFY, count=COUNT, seed=SEED)
    operation = cluster.collections.ImportImages(ImportImagesRequest(collection=name, shapes=source), timeout=SECONDS)
    assert ended(cluster, operation.name).state is State.SUCCEEDED
    return str(name)


def ended(cluster: JobsCluster, name: str, timeout: float = 120) -> Job:
    return cluster.wait_for_end(name.removeprefix("jobs/"), timeout)


def training(collection: str, steps: int = STEPS, **options: Any) -> TrainPriorRequest:
    fields = PriorTraining(steps=steps, batch=BATCH, adversarial_weight=0.1, seed=3)
    return TrainPriorRequest(
        collection=collection, model="models/naming", layer=LAYER, training=fields, options=JobOptions(**options)
    )


@pytest.fixture(scope="module")
def trained(cluster: JobsCluster, pictures: str) -> Job:
    """By one worker that nobody disturbs."""
    job = ended(cluster, cluster.hand_in(training(pictures, preview_seconds=0.2)))
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1), job.failure
    return job


@contextmanager
def one_thread() -> Iterator[None]:
    """As the worker has: sums of several are rounded otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def prior_of(trained: Job) -> str:
    return f"priors/{trained.id}"


def test_a_worker_learns_what_the_engine_learns(cluster: JobsCluster, trained: Job, pictures: str) -> None:
    made = ShapesDataset(COUNT, task="class", seed=SEED)
    images = torch.from_numpy(np.stack([np.asarray(made.painting(place).image) for place in range(COUNT)]))
    parameters = TrainingParameters(steps=STEPS, batch=BATCH, adversarial_weight=0.1, seed=3)
    model = replace(Catalogue.read().load("shapes_classifier"), name="naming")
    with one_thread():
        alone = Training(model, LAYER, images.permute(0, 3, 1, 2), parameters)
        for _ in alone:
            pass
    files = cluster.files(trained.id)
    assert Prior.from_bytes(files["prior.safetensors"]).digest == alone.prior().digest
    sheet = Image.open(BytesIO(files["samples.png"]))
    assert sheet.width > 2 * sheet.height / 2
    response = cluster.response(trained.id, TrainPriorResponse())
    prior, card = response.prior, alone.prior().card
    assert (prior.name, prior.model, prior.layer) == (prior_of(trained), "models/naming", LAYER)
    assert (list(prior.code_shape), prior.height, prior.width) == ([128, 8, 8], 64, 64)
    assert (prior.image_count, prior.held_out_count) == (COUNT - 8, 8)
    assert (prior.pixel_error, prior.feature_error) == (card.pixel_error, card.feature_error)
    assert (prior.training.steps, prior.training.batch, prior.training.preset) == (STEPS, BATCH, "tiny")
    assert prior.collection == pictures
    assert prior.create_time.ToSeconds() > 0
    assert cluster.download(prior.file) == files["prior.safetensors"]
    assert cluster.download(response.samples) == files["samples.png"]


def test_its_way_is_shown(cluster: JobsCluster, trained: Job) -> None:
    steps = cluster.steps(trained.id)
    assert steps == sorted(set(steps))
    assert trained.progress is not None
    assert trained.progress.step == trained.progress.total > STEPS
    previews = [event.what for event in cluster.events(trained.id) if isinstance(event.what, Preview)]
    shown = [preview for preview in previews if preview.jpeg]
    assert shown, "held-out pictures and what is made of them"
    assert Image.open(BytesIO(shown[-1].jpeg)).size == (8 * 64, 2 * 64)


def test_a_killed_worker_costs_steps_but_changes_nothing(cluster: JobsCluster, trained: Job, pictures: str) -> None:
    id = cluster.hand_in(training(pictures))
    wait_until(lambda: cluster.redis.hget(f"convscope:job:{id}", "checkpoint"), "a checkpoint", SECONDS)
    os.kill(cluster.worker_of(id).child, signal.SIGKILL)
    job = ended(cluster, id)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2), job.failure
    assert cluster.files(id) == cluster.files(trained.id)


def test_a_training_goes_on_beyond_the_time_of_an_attempt(own_cluster: JobsCluster) -> None:
    """It is handed on in time; a synthesis would be given up."""
    own_cluster.catalogue.write_text(own_cluster.catalogue.read_text() + NAMING)
    own_cluster.start_workers(threads=1, job_seconds=TURN_SECONDS)
    id = own_cluster.hand_in(training(world(own_cluster), steps=100_000))
    wait_until(lambda: own_cluster.states(id).count(State.RUNNING) > 2, "two turns", 20 * TURN_SECONDS)
    assert own_cluster.job(id).attempts == 1, "a hand-over is no attempt"
    assert own_cluster.steps(id) == sorted(own_cluster.steps(id)), "each went on where the one before ended"
    own_cluster.records.cancel(id)
    assert own_cluster.wait_for_end(id).state is State.CANCELLED


def test_a_cancelled_training_ends_within_its_step(cluster: JobsCluster, pictures: str) -> None:
    id = cluster.hand_in(training(pictures, steps=100_000))
    cluster.wait_for_step(id, 12)
    cluster.records.cancel(id)
    job = cluster.wait_for_end(id)
    assert job.state is State.CANCELLED
    assert job.files == ()
    assert not any(prior.name == f"priors/{id}" for prior in listed(cluster))


def listed(cluster: JobsCluster) -> list[Any]:
    stub, token = SynthesisServiceStub(cluster.channel), ""
    found: list[Any] = []
    while True:
        page = stub.ListPriors(ListPriorsRequest(page_size=1, page_token=token), timeout=SECONDS)
        found += page.priors
        assert len(page.priors) <= 1
        token = page.next_page_token
        if not token:
            return found


def test_priors_are_listed_and_found_by_name(cluster: JobsCluster, trained: Job) -> None:
    (own,) = [prior for prior in listed(cluster) if prior.name == prior_of(trained)]
    stub = SynthesisServiceStub(cluster.channel)
    for prior in listed(cluster):
        assert stub.GetPrior(GetPriorRequest(name=prior.name), timeout=SECONDS).prior == prior
    assert own == cluster.response(trained.id, TrainPriorResponse()).prior
    assert trained.expires == 0, "it stays until somebody deletes it"


@pytest.mark.parametrize("recipe", ["nguyen2016_dgn", "nguyen2016_ppgn"])
def test_a_recipe_makes_pictures_with_it(cluster: JobsCluster, trained: Job, recipe: str) -> None:
    chain = SynthesisParameters(steps=20, cycles=4) if "ppgn" in recipe else SynthesisParameters(steps=20)
    request = VisualizeClassRequest(
        model="models/naming",
        targets=[ClassReference(index=RED_CIRCLE), ClassReference(label="red star")],
        recipe=recipe,
        prior=prior_of(trained),
        parameters=chain,
    )
    id = cluster.hand_in(request)
    job = ended(cluster, id)
    assert job.state is State.SUCCEEDED, job.failure
    response = cluster.response(id, VisualizeClassResponse())
    assert [image.target.index for image in response.images] == [RED_CIRCLE, RED_STAR]
    assert bool(response.chain) == ("ppgn" in recipe)
    assert response.examples == ""
    if response.chain:
        sheet = Image.open(BytesIO(cluster.download(response.chain)))
        assert sheet.width > 4 * 64
        assert sheet.height > 2 * 64


def test_a_unit_has_a_picture_by_it_too(cluster: JobsCluster, trained: Job) -> None:
    request = VisualizeChannelRequest(
        model="models/naming",
        units=[Unit(layer="eye.block3", channel=5)],
        recipe="nguyen2016_ppgn",
        prior=prior_of(trained),
        parameters=SynthesisParameters(steps=12),
    )
    id = cluster.hand_in(request)
    assert ended(cluster, id).state is State.SUCCEEDED
    assert cluster.response(id, VisualizeChannelResponse()).chain


def test_natural_examples_stand_beside_what_is_made(cluster: JobsCluster, pictures: str) -> None:
    request = VisualizeClassRequest(
        model="models/naming",
        targets=[ClassReference(index=RED_CIRCLE), ClassReference(index=RED_STAR)],
        recipe="simonyan2013",
        parameters=SynthesisParameters(steps=3, copies=2),
        examples=messages.DatasetExamples(collection=pictures, count=2),
    )
    id = cluster.hand_in(request)
    job = ended(cluster, id)
    assert job.state is State.SUCCEEDED, job.failure
    response, made = cluster.response(id, VisualizeClassResponse()), ShapesDataset(COUNT, task="class", seed=SEED)
    for image, label in zip(response.images, [RED_CIRCLE] * 2 + [RED_STAR] * 2, strict=True):
        assert len(image.example_numbers) == 2
        # The network is sure of the small world.
        assert [made.target(number) for number in image.example_numbers] == [label] * 2
    assert Image.open(BytesIO(cluster.download(response.examples))).width > 0


def test_a_synthesis_starts_from_its_best_example(cluster: JobsCluster, pictures: str) -> None:
    request = VisualizeChannelRequest(
        model="models/naming",
        units=[Unit(layer=LAYER, channel=channel) for channel in (3, 7)],
        recipe="olah2017",
        parameters=SynthesisParameters(steps=1, step_size=1e-9),
        examples=messages.DatasetExamples(collection=pictures, count=1, start=True),
    )
    id = cluster.hand_in(request)
    assert ended(cluster, id).state is State.SUCCEEDED
    made, files = ShapesDataset(COUNT, task="class", seed=SEED), cluster.files(id)
    response = cluster.response(id, VisualizeChannelResponse())
    numbers = [image.example_numbers[0] for image in response.images]
    assert len(set(numbers)) == 2, "each from its own"
    for place, number in enumerate(numbers):
        found = np.asarray(Image.open(BytesIO(files[f"image-{place}.png"])), np.float32)
        # A spectrum keeps a thousandth from black and white.
        assert np.abs(found - np.asarray(made.painting(number).image)).max() <= 2


def test_the_sdk_trains_lists_and_uses_priors(cluster: JobsCluster, pictures: str, tmp_path: Path) -> None:
    client = cluster.client
    made = client.collection(pictures).train_prior(model="naming", layer="flatten", steps=5, batch=4).result()
    assert made.samples.width > 64
    prior = client.prior(made.prior.name)
    assert prior in client.priors()
    assert (prior.model, prior.layer, prior.code_shape) == ("naming", "flatten", (128, 1, 1))
    found = client.visualize_class(
        model="naming",
        target="red circle",
        recipe="nguyen2016_ppgn",
        prior=prior,
        steps=20,
        examples=DatasetExamples(pictures, count=3),
    ).result()
    assert found.chain.width > 64
    assert found.examples.width > 3 * 64
    assert len(found.made[0].example_numbers) == 3
    found.save(tmp_path / "made.png")
    assert (tmp_path / "made.png").stat().st_size > 0


def test_what_only_the_worker_can_know_is_told_by_it(cluster: JobsCluster, trained: Job, pictures: str) -> None:
    """No card is there of a model that nobody has loaded."""
    cases: list[tuple[Any, str, str]] = [
        (
            VisualizeClassRequest(
                model="models/small", targets=[ClassReference(index=0)], recipe="nguyen2016_dgn",
                prior=prior_of(trained),
            ),
            "PRIOR_MISMATCH", "prior",
        ),
        (TrainPriorRequest(collection=pictures, model="models/small", layer="nothing"), "UNKNOWN_LAYER", "layer"),
    ]  # fmt: skip
    cluster.redis.delete("convscope:cards")
    for request, reason, field in cases:
        job = ended(cluster, cluster.hand_in(request))
        assert job.state is State.FAILED
        assert job.failure is not None
        assert (job.failure.reason, job.failure.field) == (reason, field), job.failure
        cluster.redis.delete("convscope:cards")


def test_a_prior_that_is_deleted_is_no_more(cluster: JobsCluster, pictures: str) -> None:
    job = ended(cluster, cluster.hand_in(training(pictures, steps=1)))
    request = VisualizeClassRequest(
        model="models/naming", targets=[ClassReference(index=0)], recipe="nguyen2016_dgn", prior=prior_of(job)
    )
    for worker in list(cluster.workers):
        worker.stop()
        cluster.workers.remove(worker)
    waiting = cluster.hand_in(request)
    cluster.client.job(job.id).delete()
    cluster.start_workers(threads=1)
    failed = ended(cluster, waiting)
    assert failed.failure is not None
    assert (failed.failure.reason, failed.failure.field) == ("PRIOR_INVALID", "prior")
    assert "no more" in failed.failure.message
    assert json.loads(json.dumps(failed.spec))["prior"]["id"] == job.id
