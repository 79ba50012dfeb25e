"""Learned priors: what is asked of a server, and what is made of its answer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import AsyncClient, Client, Collection, NotFound, PriorInfo, ServerFault, TrainedPrior
from convscope.v1.synthesis_service_pb2 import JobOptions, Prior, PriorTraining, TrainPriorRequest
from tests.clients.collections.calls import MODEL, SECONDS, Calls
from tests.clients.collections.stand_in import CollectionServer, CollectionStandIn

SHIPPED = PriorInfo(
    name="shapes", model="shapes", weights_digest="cd" * 32, layer="features.3", code_shape=(128, 1, 1), height=64,
    width=48, training={"preset": "standard", "steps": 100, "rate": 0.5}, image_count=5000, held_out_count=500,
    pixel_error=0.0625, feature_error=0.25, denoising_error=0.5, collection="", file="", created=None,
)  # fmt: skip


def test_all_that_is_said_of_a_training_is_sent(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=6)
    how: dict[str, Any] = {
        "layer": "layer3", "preset": "standard", "steps": np.int64(9), "batch": 4, "rate": 0.5, "pixel_weight": 2,
        "feature_weight": 0, "adversarial_weight": np.float64(0.25), "noise": 0.125, "generator_noise": 3,
        "seed": 2**30, "priority": 0,
        "preview_seconds": 2, "request_id": "mine",
    }  # fmt: skip
    calls(name, "train_prior", model=MODEL, **how)
    calls.client("train_prior", name, model=f"models/{MODEL}", **how)
    calls.client("train_prior", name.removeprefix("collections/"), model=MODEL, **how)
    calls.client("train_prior", calls.client("collection", name), model=MODEL, **how)
    training = PriorTraining(
        preset="standard", steps=9, batch=4, rate=0.5, pixel_weight=2.0, feature_weight=0.0, adversarial_weight=0.25,
        noise=0.125, generator_noise=3.0, seed=2**30,
    )  # fmt: skip
    expected = TrainPriorRequest(
        model=f"models/{MODEL}", layer="layer3", collection=name, training=training,
        options=JobOptions(request_id="mine", priority=0, preview_seconds=2.0),
    )  # fmt: skip
    assert kept.requests == [expected] * 4
    assert list(kept.records) == ["jobs/0001"], "calls of one name begin one job"


def test_what_is_not_said_is_left_to_the_server(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=6)
    calls(name, "train_prior", model=MODEL, layer="layer3")
    (request,) = kept.requests
    assert len(request.options.request_id) == 32
    request.options.ClearField("request_id")
    assert request == TrainPriorRequest(model=f"models/{MODEL}", layer="layer3", collection=name, options=JobOptions())


def test_a_training_gives_the_prior_and_samples(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    name = kept.add_collection(images=6)
    found = calls.result(name, "train_prior", model=MODEL, layer="layer3", preset="tiny", seed=0)
    assert isinstance(found, TrainedPrior)
    prior = found.prior
    assert prior == calls.client("prior", prior.name)
    assert (prior.name, prior.model, prior.layer, prior.code_shape) == ("0001", MODEL, "layer3", (256, 4, 4))
    assert (prior.height, prior.width, prior.weights_digest) == (64, 64, "ab" * 32)
    assert (prior.image_count, prior.held_out_count) == (5, 1)
    assert (prior.pixel_error, prior.feature_error, prior.denoising_error) == (0.125, 0.5, 0.75)
    assert (prior.collection, prior.file) == (name, "jobs/0001/artifacts/prior.safetensors")
    assert prior.training == {"preset": "tiny", "seed": 0}
    assert prior.created is not None
    assert abs(prior.created - datetime.now(UTC)) < timedelta(minutes=1)
    assert (found.job.kind, found.job.state) == ("train_prior", "succeeded")
    words = f"0001: layer3 of {MODEL}, pictures of 64 x 64 pixels, learned from 5 images; errors: pixels 0.125, "
    assert str(found) == str(prior) == f"{words}features 0.50, denoising 0.75"
    files = kept.records["jobs/0001"].files
    assert found.files == {"samples.png": files["samples.png"]}, "the prior's own file is large"
    assert (found.samples.mode, found.samples.size) == ("RGB", (96, 48))
    assert found._repr_png_() == files["samples.png"]
    assert found.save(tmp_path / "some" / "prior") == [tmp_path / "some" / "prior" / "samples.png"]
    assert (tmp_path / "some" / "prior" / "samples.png").read_bytes() == files["samples.png"]
    assert len(repr(found)) < 3000


def test_how_one_was_trained_is_how_another_is(photos: Collection, kept: CollectionStandIn) -> None:
    how: dict[str, Any] = {"preset": "tiny", "steps": 9, "rate": 0.5, "noise": 0.25}
    first = photos.train_prior(model=MODEL, layer="layer3", **how).result(SECONDS).prior
    photos.train_prior(model=first.model, layer=first.layer, **first.training)
    one, again = kept.requests
    assert one.training == again.training == PriorTraining(**how)


def test_the_priors_file_is_fetched_by_itself(photos: Collection, kept: CollectionStandIn, tmp_path: Path) -> None:
    job = photos.train_prior(model=MODEL, layer="layer3")
    prior = job.result(SECONDS).prior
    path = job.download_to(prior.file, tmp_path / "prior.safetensors")
    assert path.read_bytes() == kept.records[job.name].files["prior.safetensors"]


def test_a_prior_is_found_by_its_name_whole_or_short(calls: Calls) -> None:
    for name in ("shapes", "priors/shapes"):
        assert calls.client("prior", name) == SHIPPED
    assert len({SHIPPED, calls.client("prior", "shapes")}) == 1
    with pytest.raises(NotFound, match="there is no priors/nobody") as caught:
        calls.client("prior", "nobody")
    assert (caught.value.field, caught.value.reason) == ("name", "UNKNOWN_PRIOR")


def test_all_priors_are_listed_over_all_pages(calls: Calls, kept: CollectionStandIn) -> None:
    kept.priors += [Prior(name=f"priors/{number}") for number in range(4)]
    found = calls.client("priors")
    assert [one.name for one in found] == ["shapes", "0", "1", "2", "3"]
    assert found[0] == SHIPPED
    assert kept.prior_pages == ["", "2", "4"]


def test_a_result_is_given_again_by_the_jobs_name(client: Client, photos: Collection) -> None:
    begun = photos.train_prior(model=MODEL, layer="layer3")
    first, again = begun.result(SECONDS), client.collection_job(begun.name).result(SECONDS)
    assert type(again) is type(first)
    assert (again.prior, again.files) == (first.prior, first.files)


async def test_the_asynchronous_client_gives_the_same(server: CollectionServer, photos: Collection) -> None:
    expected = photos.train_prior(model=MODEL, layer="layer3").result(SECONDS)
    async with AsyncClient.connect(server.address) as client:
        found = await (await client.collection_job(expected.job.name)).result(SECONDS)
        assert (found.prior, found.files) == (expected.prior, expected.files)
        assert await client.priors() == [SHIPPED, expected.prior]


def test_samples_that_are_no_picture_are_a_fault_of_the_server(photos: Collection, kept: CollectionStandIn) -> None:
    kept.work = lambda name: kept.succeed(name, samples_png=b"no picture")
    found = photos.train_prior(model=MODEL, layer="layer3").result(SECONDS)
    with pytest.raises(ServerFault, match=r"samples\.png cannot be decoded"):
        _ = found.samples
