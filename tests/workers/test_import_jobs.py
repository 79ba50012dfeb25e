"""Images under a URL: folders and zips, good ones and bad, links out of them, and a worker that leaves half-way."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.services.common.collections.collection import Collection
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.jobs.job import Job, State
from convscope.v1.collection_service_pb2 import CreateCollectionRequest, ImportImagesRequest
from convscope.workers import import_work
from tests.processes import wait_until
from tests.services.pictures import noise, to_file
from tests.workers.jobs_cluster import SECONDS, JobsCluster, jobs_cluster

FILES = {f"{place:03}.png": to_file(noise(20 + place, 24)) for place in range(12)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsCluster]:
    folder = tmp_path_factory.mktemp("import")
    roots = (folder / "allowed").as_uri()
    with jobs_cluster(folder) as cluster:
        cluster.server.stop()
        cluster.start_server(import_roots=roots)
        cluster.start_workers(import_roots=roots)
        yield cluster


@pytest.fixture
def source(cluster: JobsCluster, request: pytest.FixtureRequest) -> Path:
    """An empty folder that may be read."""
    folder: Path = cluster.folder / "allowed" / request.node.name.replace("[", "-").replace("]", "")
    folder.mkdir(parents=True)
    return folder


def hand_in(cluster: JobsCluster, source: Path) -> tuple[str, str]:
    """The collection and the job."""
    name = cluster.collections.CreateCollection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    request = ImportImagesRequest(collection=name, url=f"file://{source}")
    job = cluster.collections.ImportImages(request, timeout=SECONDS).name
    return name.removeprefix("collections/"), str(job).removeprefix("jobs/")


def imported(cluster: JobsCluster, source: Path) -> tuple[Collection, Job]:
    collection, job = hand_in(cluster, source)
    ended = cluster.wait_for_end(job)
    found = CollectionRecords(cluster.redis).find(collection)
    assert found is not None
    return found, ended


def names_in(cluster: JobsCluster, collection: Collection) -> list[str]:
    images = CollectionRecords(cluster.redis).images(collection.id, 0, 1000)
    return [image.file_name for image in images]


def test_a_folder_with_all_below_it_in_the_order_of_names(cluster: JobsCluster, source: Path) -> None:
    (source / "b" / "deep").mkdir(parents=True)
    for place, (name, data) in enumerate(FILES.items()):
        folder = source / ("b/deep" if place % 2 else "")
        (folder / name).write_bytes(data)
    (source / "again.PNG").write_bytes(FILES["000.png"])
    (source / "notes.txt").write_text("no picture, and not called one")
    (source / "broken.jpg").write_bytes(b"no picture")
    collection, job = imported(cluster, source)
    assert (job.state, job.model) == (State.SUCCEEDED, "")
    assert job.result == {"collection": collection.id, "added": 12, "duplicates": 1, "broken": 1}
    assert [file.name for file in collection.broken] == ["broken.jpg"]
    names = names_in(cluster, collection)
    assert names == sorted(names)
    assert names[-1] == "b/deep/011.png"


def test_a_zip_is_read_without_unpacking_it_anywhere(cluster: JobsCluster, source: Path) -> None:
    path = source / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(f"photos/{name}", data)
        archive.writestr("photos/readme.txt", "hello")
        for name in ("../../evil.png", "/etc/evil.png", "photos\\..\\evil.png"):
            archive.writestr(name, FILES["000.png"])
    collection, job = imported(cluster, path)
    assert job.state is State.SUCCEEDED, job.failure
    assert names_in(cluster, collection) == [f"photos/{name}" for name in FILES]
    assert {file.message for file in collection.broken} == {"its name leads out of the zip"}
    assert collection.broken_count == 3
    assert list(source.parent.parent.rglob("*evil*")) == []


def test_a_bomb_is_one_broken_file(cluster: JobsCluster, source: Path) -> None:
    path = source / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("bomb.png", "w", force_zip64=True) as member:
            for _ in range(import_work.MOST_BYTES // 2**20 + 8):
                member.write(bytes(2**20))
        archive.writestr("good.png", FILES["001.png"])
    assert path.stat().st_size < 200_000
    collection, job = imported(cluster, path)
    assert job.state is State.SUCCEEDED
    assert names_in(cluster, collection) == ["good.png"]
    assert [file.name for file in collection.broken] == ["bomb.png"]
    assert "64 MiB" in collection.broken[0].message


def test_a_damaged_member_is_one_broken_file(cluster: JobsCluster, source: Path) -> None:
    path = source / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in list(FILES.items())[:3]:
            archive.writestr(name, data)
        place = archive.getinfo("001.png").header_offset + 60
    damaged = bytearray(path.read_bytes())
    damaged[place : place + 20] = bytes(20)
    path.write_bytes(damaged)
    collection, job = imported(cluster, path)
    assert job.state is State.SUCCEEDED
    assert names_in(cluster, collection) == ["000.png", "002.png"]
    assert [file.name for file in collection.broken] == ["001.png"]


def test_a_link_does_not_lead_out_of_the_folder(cluster: JobsCluster, source: Path) -> None:
    secret = cluster.folder / "secret.png"
    secret.write_bytes(FILES["003.png"])
    (source / "link.png").symlink_to(secret)
    (source / "good.png").write_bytes(FILES["004.png"])
    collection, job = imported(cluster, source)
    assert job.state is State.SUCCEEDED
    assert names_in(cluster, collection) == ["good.png"]
    assert [file.name for file in collection.broken] == ["link.png"]


@pytest.mark.parametrize("what", ["nothing", "no zip"])
def test_what_cannot_be_read_at_all_fails_and_is_named(cluster: JobsCluster, source: Path, what: str) -> None:
    path = source / "photos.zip"
    if what == "no zip":
        path.write_bytes(b"no zip")
    collection, job = imported(cluster, path)
    assert job.state is State.FAILED
    assert job.failure is not None
    expected = {"nothing": "URL_EMPTY", "no zip": "ZIP_INVALID"}[what]
    assert (job.failure.status, job.failure.reason, job.failure.field) == ("INVALID_ARGUMENT", expected, "url")
    assert collection.image_count == 0


def test_an_empty_folder_adds_nothing(cluster: JobsCluster, source: Path) -> None:
    collection, job = imported(cluster, source)
    assert (job.state, collection.image_count) == (State.SUCCEEDED, 0)


def test_a_worker_that_leaves_hands_the_import_on(cluster: JobsCluster, source: Path) -> None:
    # A pipe that nobody writes to holds the import up where the test wants it.
    for place, (name, data) in enumerate(FILES.items()):
        (source / name).write_bytes(data) if place != 6 else os.mkfifo(source / name)
    collection, job = hand_in(cluster, source)
    records = CollectionRecords(cluster.redis)
    wait_until(lambda: len(records.images(collection, 0, 100)) == 6, "half of the images", SECONDS)
    worker = cluster.worker_of(job)
    os.kill(worker.child, 9)
    (source / "006.png").unlink()
    (source / "006.png").write_bytes(FILES["006.png"])
    ended = cluster.wait_for_end(job)
    assert (ended.state, ended.attempts) == (State.SUCCEEDED, 2)
    found = records.find(collection)
    assert found is not None
    assert names_in(cluster, found) == list(FILES)
    worker.wait_until_it_takes_jobs()
