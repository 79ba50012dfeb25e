"""The scan of a collection: shared by workers, killed, cancelled, added to; what it finds is the same to the byte."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.engine.inspection.index import Index
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.services.common.collections.collection import IndexRecord
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.job import Lease, State
from convscope.services.common.jobs.kinds import INDEX_COLLECTION
from convscope.v1.collection_service_pb2 import (
    CreateCollectionRequest,
    IndexCollectionRequest,
    UploadImagesRequest,
)
from convscope.workers.index_work import IndexWork
from convscope.workers.work import Bench
from tests.processes import wait_until
from tests.services.pictures import noise, to_file
from tests.workers.jobs_cluster import SECONDS, TEAM, JobsCluster, jobs_cluster

PART = 4
FILES = [to_file(noise(36 + place, 40)) for place in range(100)]
LAYERS = ("features.0", "features.2")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsCluster]:
    """Parts of four images, and one worker."""
    with jobs_cluster(tmp_path_factory.mktemp("index")) as cluster:
        cluster.server.stop()
        cluster.start_server(index_part=PART)
        cluster.start_workers(threads=1)
        yield cluster


def collect(cluster: JobsCluster, files: list[bytes], name: str = "") -> str:
    """A collection of these images, or one with further ones; its name."""
    name = name or cluster.collections.CreateCollection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    requests = (UploadImagesRequest(collection=name, file_name="x.png", content=data) for data in files)
    cluster.collections.UploadImages(requests, timeout=SECONDS)
    return name


def index(cluster: JobsCluster, collection: str) -> str:
    """Hand the job in; its id."""
    request = IndexCollectionRequest(
        collection=collection,
        model="steady",
        layers=LAYERS,
        embedding_layer="features.2",
        patches_per_channel=5,
        neurons=True,
    )
    return str(cluster.collections.IndexCollection(request, timeout=SECONDS).name).removeprefix("jobs/")


def record_of(cluster: JobsCluster, collection: str) -> IndexRecord:
    found = CollectionRecords(cluster.redis).find(collection.removeprefix("collections/"))
    assert found is not None
    (record,) = found.indexes
    return record


def files_of(cluster: JobsCluster, collection: str) -> dict[str, bytes]:
    folder = cluster.artifacts / record_of(cluster, collection).folder
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def left(cluster: JobsCluster, collection: str) -> list[str]:
    """Folders in that of the index."""
    return sorted(path.name for path in (cluster.artifacts / record_of(cluster, collection).folder).parent.iterdir())


@pytest.fixture(scope="module")
def undisturbed(cluster: JobsCluster) -> dict[str, bytes]:
    """What one worker finds when nobody disturbs it."""
    name = collect(cluster, FILES)
    job = cluster.wait_for_end(index(cluster, name))
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1), job.failure
    assert job.result["indexed"] == len(FILES)
    assert left(cluster, name) == [Path(record_of(cluster, name).folder).name], "shards are gone"
    return files_of(cluster, name)


@pytest.fixture(scope="module")
def here(cluster: JobsCluster) -> Iterator[Model]:
    """The network in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TEAM)
        yield Catalogue.read(cluster.catalogue).load("steady")


def test_the_index_is_what_a_slow_scan_finds(
    cluster: JobsCluster, undisturbed: dict[str, bytes], here: Model, tmp_path: Path
) -> None:
    for file, data in undisturbed.items():
        (tmp_path / file).write_bytes(data)
    found = Index(tmp_path)
    maps: dict[str, list[torch.Tensor]] = {layer: [] for layer in LAYERS}
    scores = []
    handles = [
        here.module.get_submodule(layer).register_forward_hook(
            lambda _, __, output, layer=layer: maps[layer].append(output[0].clone())
        )
        for layer in LAYERS
    ]
    with torch.no_grad():
        for place, data in enumerate(FILES):
            (tmp_path / "one.png").write_bytes(data)
            pixels, _ = here.preprocessing.crop(Image.open(tmp_path / "one.png").convert("RGB"))
            scores.append(here.module(here.preprocessing.normalize(pixels[None]))[0])
            assert found.thumbnail(place)
    for handle in handles:
        handle.remove()
    probabilities = torch.stack(scores).double().softmax(1)
    assert np.array_equal(found.classes, probabilities.argsort(dim=1, descending=True).numpy())
    assert np.allclose(found.embeddings, torch.stack(maps["features.2"]).mean((2, 3)).numpy(), atol=1e-5)
    for layer in LAYERS:
        stacked = torch.stack(maps[layer])
        patches, field = found.patches(layer)
        assert field.exact
        for channel in range(stacked.shape[1]):
            best, places = stacked[:, channel].flatten(1).max(1)
            order = best.argsort(descending=True)[:5]
            assert np.allclose(patches.one.values[channel], best[order].numpy(), atol=1e-5)
            assert patches.one.images[channel].tolist() == order.tolist()
            assert patches.one.places[channel].tolist() == places[order].tolist()
            assert patches.neurons is not None
            area = stacked.shape[2] * stacked.shape[3]
            place = area // 2 + 3
            alone = stacked[:, channel].flatten(1)[:, place].argsort(descending=True, stable=True)[:5]
            assert patches.neurons.images[channel * area + place].tolist() == alone.tolist()
            every = stacked[:, channel].flatten().sort(descending=True).values[:5]
            assert np.allclose(patches.any.values[channel], every.numpy(), atol=1e-5)


def test_a_killed_worker_costs_at_most_its_part(cluster: JobsCluster, undisturbed: dict[str, bytes]) -> None:
    name = collect(cluster, FILES)
    before = len(cluster.passes())
    id = index(cluster, name)
    wait_until(lambda: cluster.redis.scard(f"convscope:shards:{id}:done") >= 4, "some parts", SECONDS)
    os.kill(cluster.worker_of(id).child, signal.SIGKILL)
    job = cluster.wait_for_end(id, 90)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2)
    parts = -(-len(FILES) // PART)
    assert parts <= len(cluster.passes()) - before <= parts + 1
    assert files_of(cluster, name) == undisturbed


def test_a_cancelled_scan_is_taken_up_by_the_next(cluster: JobsCluster, undisturbed: dict[str, bytes]) -> None:
    name = collect(cluster, FILES)
    before = len(cluster.passes())
    (worker,) = cluster.workers
    threads = Path(f"/proc/{worker.child}/task")
    at_rest = len(list(threads.iterdir()))
    id = index(cluster, name)
    wait_until(lambda: cluster.redis.scard(f"convscope:shards:{id}:done") >= 4, "some parts", SECONDS)
    cluster.records.cancel(id)
    assert cluster.wait_for_end(id).state is State.CANCELLED
    wait_until(lambda: len(list(threads.iterdir())) <= at_rest, "the readers to end", SECONDS)
    assert cluster.wait_for_end(index(cluster, name)).state is State.SUCCEEDED
    parts = -(-len(FILES) // PART)
    assert len(cluster.passes()) - before <= parts + 1, "finished parts were not scanned again"
    assert files_of(cluster, name) == undisturbed


def test_only_new_images_are_scanned(cluster: JobsCluster, here: Model) -> None:
    name = collect(cluster, FILES[:20])
    cluster.wait_for_end(index(cluster, name))
    first = record_of(cluster, name)
    before = len(cluster.passes())
    job = cluster.wait_for_end(index(cluster, name))
    assert (job.result["indexed"], len(cluster.passes())) == (0, before), "there was nothing to do"
    collect(cluster, FILES[15:30], name)
    job = cluster.wait_for_end(index(cluster, name))
    assert job.result["indexed"] == 10
    assert sum(count for _, count in cluster.passes()[before:]) == 10
    second = record_of(cluster, name)
    assert (first.id, second.image_count) == (second.id, 30)
    assert not (cluster.artifacts / first.folder).exists()
    alone = collect(cluster, FILES[:30])
    cluster.wait_for_end(index(cluster, alone))
    together, apart = (Index(cluster.artifacts / record_of(cluster, one).folder) for one in (alone, name))
    assert np.allclose(together.embeddings, apart.embeddings, atol=1e-6)
    for layer in LAYERS:
        assert np.array_equal(together.patches(layer)[0].one.images, apart.patches(layer)[0].one.images)


def test_what_an_attempt_could_not_say_any_more_the_next_one_says(cluster: JobsCluster, here: Model) -> None:
    known = cluster.job(index(cluster, collect(cluster, FILES[:1]))).spec
    name = collect(cluster, FILES[:10])
    spec = known | {"collection": name.removeprefix("collections/"), "image_count": 10}
    cluster.redis.hset("convscope:job:a1", "state", "running")

    def attempt(token: int) -> dict[str, Any]:
        """Up to the commit."""
        lease = Lease("a1", token, token, INDEX_COLLECTION, "steady", spec)
        bench = Bench(lease, Artifacts(cluster.artifacts.as_uri()), lambda _: here, cluster.redis, threads=1)
        with closing(IndexWork(bench)) as work:
            while not work.over:
                work.advance()
            return work.leave(lambda name, media_type, data: pytest.fail("an index leaves no file"))[0]

    assert attempt(1) == attempt(2)
    assert attempt(3)["indexed"] == 10
    cluster.redis.delete("convscope:job:a1")


def test_two_workers_share_a_scan(cluster: JobsCluster, undisturbed: dict[str, bytes]) -> None:
    (second,) = cluster.start_workers(threads=1)
    name = collect(cluster, FILES)
    before = len(cluster.passes())
    id = index(cluster, name)
    assert cluster.wait_for_end(id).state is State.SUCCEEDED
    passes = cluster.passes()[before:]
    assert len({process for process, _ in passes}) == 2, "both took parts"
    assert len(passes) == -(-len(FILES) // PART), "no part was taken twice"
    assert files_of(cluster, name) == undisturbed
    assert cluster.redis.keys("convscope:shar*") == []
    second.stop()
    cluster.workers.remove(second)
