"""An index is asked in this process, with a store and without servers."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import redis

from convscope.client.tensors import from_array
from convscope.engine.errors import InvalidInput
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.indexes import Indexes
from convscope.services.attribution.models import LoadedModels
from convscope.services.attribution.pictures import PictureReader
from convscope.services.attribution.runner import Runner
from convscope.services.attribution.searches import Searches
from convscope.services.common.access.current import CALLER
from convscope.services.common.call import Call
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.taking import Taken, Taking
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.job import NewJob
from convscope.services.common.jobs.kinds import INDEX_COLLECTION, KINDS
from convscope.services.common.jobs.records import JobRecords
from convscope.v1.image_pb2 import Image
from convscope.v1.inspection_service_pb2 import FindNeighborsRequest, FindNeighborsResponse
from convscope.workers.index_work import IndexWork
from convscope.workers.work import Bench
from tests.processes import store
from tests.services.pictures import noise, to_file

IMAGES, MAX_PIXELS = 5, 10_000
CATALOGUE = """
[[models]]
name = "attentive"
source = "factory"
network = "tests.services.team.networks:attentive"
preprocessing = { resize = 32, height = 32, width = 32 }
"""


@dataclass(frozen=True)
class Indexed:
    """A collection with an index."""

    searches: Searches
    model: Model
    collection: str

    def neighbors(self, **query: Any) -> FindNeighborsResponse:
        request = FindNeighborsRequest(collection=f"collections/{self.collection}", model="attentive", **query)
        # Another test may have called in this thread as somebody who may not see the collection.
        CALLER.set(None)
        return self.searches.neighbors(request, self.model, Call(None))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    folder = tmp_path_factory.mktemp("searches")
    with (
        store() as valkey,
        redis.Redis.from_url(valkey.connection_url) as client,
        closing(Executor(max_batch=4)) as executor,
    ):
        (folder / "catalogue.toml").write_text(CATALOGUE)
        models = LoadedModels(Catalogue.read(folder / "catalogue.toml"), "cpu", executor)
        model = models.load("attentive").model
        assert model is not None
        collection = index(client, Artifacts(f"file://{folder}"), model)
        reader = PictureReader(at_once=1, max_pixels=MAX_PIXELS)
        runner = Runner(models, executor, reader, queue_limit=4)
        with closing(Indexes(client, f"file://{folder}")) as indexes:
            yield Indexed(Searches(indexes, runner, max_pixels=MAX_PIXELS), model, collection)


def index(client: "redis.Redis", artifacts: Artifacts, model: Model) -> str:
    """A collection of a few pictures, indexed as a worker does it; its id."""
    records, jobs = CollectionRecords(client), JobRecords(client, KINDS)
    collection = records.create("pictures", caller="", request_id="").id
    taking = Taking(collection, records, artifacts, max_pixels=MAX_PIXELS, taken=Taken())
    for number in range(IMAGES):
        taking.take(f"{number}.png", to_file(noise(40, 30, number)))
    spec = {
        "collection": collection, "image_count": IMAGES, "part": IMAGES, "layers": [], "embedding_layer": "",
        "patches_per_channel": 1, "neurons": False,
    }  # fmt: skip
    new = NewJob(id="a1", kind=INDEX_COLLECTION, model=model.name, spec=spec, caller="")
    jobs.accept(new, limit=1, caller_limit=1, retention=60)
    lease = jobs.claim(INDEX_COLLECTION, "tester", 60)
    assert lease is not None
    with closing(IndexWork(Bench(lease, artifacts, lambda _: model, client, threads=1))) as work:
        while not work.over:
            work.advance()
        work.leave(lambda name, media_type, data: pytest.fail("an index leaves no file"))
    return collection


def test_an_image_is_its_own_nearest_neighbour_but_not_when_it_is_asked_for_by_number(indexed: Indexed) -> None:
    (nearest,) = indexed.neighbors(image=Image(encoded=to_file(noise(40, 30, 2))), k=1).neighbors
    assert nearest.number == 2
    assert nearest.distance == pytest.approx(0, abs=1e-3)
    assert sorted(one.number for one in indexed.neighbors(number=2).neighbors) == [0, 1, 3, 4]


def test_a_picture_without_finite_features_is_to_blame(indexed: Indexed) -> None:
    largest = np.full((3, 32, 32), np.finfo(np.float32).max, np.float32)
    with pytest.raises(InvalidInput) as caught:
        indexed.neighbors(image=Image(preprocessed=from_array(largest)))
    assert (caught.value.field, caught.value.reason) == ("image", "VALUE_NOT_FINITE")
