"""Long work on a collection: imports, indexes, maps, and jobs found by their names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import (
    AsyncClient,
    Cancelled,
    Client,
    Collection,
    CollectionIndex,
    CollectionJob,
    CollectionMap,
    FailedPrecondition,
    Imported,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServerFault,
    StateChange,
)
from convscope.client.job_info import COLLECTION_KINDS
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.synthesis_service_pb2 import JobOptions
from tests.clients.collections.calls import MODEL, SECONDS, Calls
from tests.clients.collections.stand_in import (
    LENGTH,
    PAGE_HTML,
    CollectionServer,
    CollectionStandIn,
    npy,
    plain_png,
)


def test_an_import_tells_how_many_came(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    found = calls.result(name, "import_images", "file:///data/photos.zip", priority=7, request_id="mine")
    assert found == Imported(added=5, duplicates=2, broken_count=1)
    assert str(found) == "5 images added, 2 there already, 1 broken"
    expected = messages.ImportImagesRequest(
        collection=name, url="file:///data/photos.zip", options=JobOptions(request_id="mine", priority=7)
    )
    assert kept.requests == [expected]
    with pytest.raises(PermissionDenied, match="outside of what may be imported") as caught:
        calls(name, "import_images", "file:///etc")
    assert (caught.value.field, caught.value.reason) == ("url", "URL_NOT_ALLOWED")


def test_an_index_is_what_the_collection_has_from_then_on(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=4)
    made = calls.result(name, "index", model=MODEL, layers=["layer3", "fc"])
    assert isinstance(made, CollectionIndex)
    assert (made.model, made.layers, made.image_count, made.indexed_count) == (MODEL, ("layer3", "fc"), 4, 4)
    kept._take(kept.kept[name], "new.png", plain_png(9))
    again = calls.result(name, "index", model=MODEL, layers=("layer3", "fc"))
    assert (again.name, again.image_count, again.indexed_count) == (made.name, 5, 1)
    assert str(again) == f"{MODEL}: 5 images, {LENGTH} numbers each, patches of layer3, fc; 1 image run now"
    assert calls(name, "refresh").indexes == (again,)


def test_what_is_not_said_of_an_index_is_left_to_the_server(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=1)
    calls(name, "index", model=MODEL)
    calls(
        name, "index", model=f"models/{MODEL}", layers="layer3", embedding_layer="layer2",
        patches_per_channel=np.int32(5), priority=0, request_id="mine",
    )  # fmt: skip
    plain_request, full = kept.requests
    assert len(plain_request.options.request_id) == 32
    plain_request.options.ClearField("request_id")
    assert plain_request == messages.IndexCollectionRequest(
        collection=name, model=f"models/{MODEL}", options=JobOptions()
    )
    assert full == messages.IndexCollectionRequest(
        collection=name, model=f"models/{MODEL}", layers=["layer3"], embedding_layer="layer2", patches_per_channel=5,
        options=JobOptions(request_id="mine", priority=0),
    )  # fmt: skip


def test_nothing_is_indexed_without_images(calls: Calls, kept: CollectionStandIn) -> None:
    with pytest.raises(FailedPrecondition, match="has no images") as caught:
        calls(kept.add_collection(), "index", model=MODEL)
    assert caught.value.reason == "COLLECTION_EMPTY"


def test_a_map_has_a_place_for_every_image(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    name = kept.add_collection(images=4)
    kept.add_index(name, MODEL)
    made = calls.result(name, "project")
    assert isinstance(made, CollectionMap)
    assert (made.coordinates.dtype.name, made.coordinates.shape) == ("float32", (4, 2))
    assert made.coordinates.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert (made.picture.mode, made.picture.size, made.page) == ("RGB", (96, 48), PAGE_HTML)
    assert (made.image_count, made.collection) == (4, name)
    assert made.index == calls(name, "refresh").indexes[0].name
    assert (str(made), made.job.state) == ("a map of 4 images", "succeeded")
    assert len(repr(made)) < 3000
    paths = made.save(tmp_path / "some" / "map")
    assert [path.name for path in paths] == ["coordinates.npy", "map.png", "map.html"]
    files = kept.records[made.job.name].files
    assert {path.name: path.read_bytes() for path in (tmp_path / "some" / "map").iterdir()} == files
    made.save_page(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == PAGE_HTML
    assert made._repr_png_() == files["map.png"]


def test_all_that_is_said_of_a_map_is_sent(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=4)
    kept.add_index(name, MODEL)
    first = calls.result(name, "project", request_id="first")
    job = calls.client("collection_job", first.job.name)
    for index, onto in ((first.index, first.job.name), (calls(name, "refresh").indexes[0], first), (first.index, job)):
        calls(
            name, "project", index=index, method="tsne", perplexity=5, metric="cosine", seed=2**40, onto=onto,
            priority=3, request_id="second",
        )  # fmt: skip
    calls(name, "project", method="pca", onto=first.job.name.removeprefix("jobs/"), request_id="third")
    expected = messages.ProjectCollectionRequest(
        collection=name, index=first.index, method=messages.PROJECTION_METHOD_TSNE, perplexity=5.0, metric="cosine",
        seed=2**40, onto=first.job.name, options=JobOptions(request_id="second", priority=3),
    )  # fmt: skip
    assert kept.requests[1:4] == [expected] * 3
    assert kept.requests[0] == messages.ProjectCollectionRequest(
        collection=name, method=messages.PROJECTION_METHOD_TSNE, options=JobOptions(request_id="first")
    )
    assert (kept.requests[4].method, kept.requests[4].onto) == (messages.PROJECTION_METHOD_PCA, first.job.name)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "no array": (b"no array", "cannot be read"),
    "objects": (npy(np.array([None], dtype=object)), "cannot be read"),
    "float64": (npy(np.zeros((6, 2))), r"holds float64 \[6, 2\]"),
    "too few": (npy(np.zeros((5, 2), np.float32)), r"holds float32 \[5, 2\]"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_coordinates_that_are_none_are_a_fault_of_the_server(
    photos: Collection, kept: CollectionStandIn, damage: str
) -> None:
    content, words = DAMAGED[damage]
    kept.work = lambda name: kept.succeed(name, coordinates_npy=content)
    made = photos.project().result(SECONDS)
    with pytest.raises(ServerFault, match=words):
        _ = made.coordinates


def test_a_map_that_arrives_damaged_is_not_given(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=4)
    kept.add_index(name, MODEL)
    made = calls.result(name, "project")
    kept.records[made.job.name].files["map.html"] = PAGE_HTML[::-1]
    job = made.job.name
    with Client.connect(calls.address) as client, pytest.raises(ServerFault, match=r"map\.html is damaged"):
        client.collection_job(job).result()


@pytest.mark.parametrize("kind", COLLECTION_KINDS)
def test_a_job_of_any_kind_is_followed_and_ended_by_its_name(
    client: Client, photos: Collection, kept: CollectionStandIn, kind: str
) -> None:
    begin: dict[str, Callable[[], CollectionJob[Any]]] = {
        "import_images": lambda: photos.import_images("file:///data/photos"),
        "index_collection": lambda: photos.index(model=MODEL),
        "project_collection": photos.project,
        "evaluate_methods": lambda: photos.evaluate_methods(model=MODEL, methods="grad_cam"),
        "evaluate_attention": lambda: photos.evaluate_attention(model=MODEL, methods="grad_cam"),
        "train_prior": lambda: photos.train_prior(model=MODEL, layer="layer3"),
    }
    begun = begin[kind]()
    assert repr(begun) == f"CollectionJob({begun.name!r})"
    job = client.job(begun.name)
    *_, last = job.watch()
    assert isinstance(last, StateChange)
    info = job.wait(SECONDS)
    assert (info.kind, info.state, last.state, info.step, info.total) == (kind, "succeeded", "succeeded", 4, 4)
    assert info.model == ("" if kind in ("import_images", "project_collection") else MODEL)
    assert [one.name for one in client.jobs(kinds=kind)] == [job.name]
    if kind == "project_collection":
        assert job.download("map.html") == PAGE_HTML
    with pytest.raises(FailedPrecondition, match=f"{job.name} is {kind}, which makes no pictures") as caught:
        job.result()
    assert caught.value.reason == "JOB_OF_ANOTHER_KIND"
    again = client.collection_job(job.name.removeprefix("jobs/"))
    assert type(again.result()) is type(begun.result())
    job.cancel()
    job.delete()
    with pytest.raises(NotFound):
        client.collection_job(job.name)


async def test_the_asynchronous_client_finds_jobs_on_collections_too(
    server: CollectionServer, photos: Collection, kept: CollectionStandIn
) -> None:
    name = photos.import_images("file:///data/photos").name
    async with AsyncClient.connect(server.address) as client:
        job = await client.collection_job(name)
        assert repr(job) == f"AsyncCollectionJob({name!r})"
        assert (await job.wait(SECONDS)).state == await job.state == "succeeded"
        assert (await job.result()).added == 5
        with pytest.raises(FailedPrecondition, match="makes no pictures"):
            await (await client.job(name)).result()
        with pytest.raises(FailedPrecondition, match="is deep_dream, which is no work on a collection"):
            await client.collection_job(kept.add("deep_dream"))


def test_a_job_that_makes_pictures_is_none_on_a_collection(client: Client, kept: CollectionStandIn) -> None:
    with pytest.raises(FailedPrecondition, match="is deep_dream, which is no work on a collection") as caught:
        client.collection_job(kept.add("deep_dream"))
    assert caught.value.reason == "JOB_OF_ANOTHER_KIND"


def test_work_that_fails_or_is_cancelled_says_so(client: Client, photos: Collection, kept: CollectionStandIn) -> None:
    kept.work = kept.fail
    failed = photos.index(model=MODEL)
    kept.work = kept.end_cancelled
    cancelled = photos.project()
    waits: list[Callable[[float], object]] = [failed.result, failed.wait, client.job(failed.name).result]
    for wait in waits:
        with pytest.raises(ResourceExhausted, match="no memory is left"):
            wait(SECONDS)
    waits = [cancelled.result, cancelled.wait, client.job(cancelled.name).result]
    for wait in waits:
        with pytest.raises(Cancelled, match="was cancelled"):
            wait(SECONDS)


def test_an_answer_of_another_kind_is_a_fault_of_the_server(client: Client, kept: CollectionStandIn) -> None:
    name = kept.add("import_images")
    kept.succeed(name)
    with pytest.raises(ServerFault, match=r"is done and gave .*VisualizeClassResponse"):
        client.collection_job(name).result()
