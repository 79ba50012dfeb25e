"""One cluster with two workers for the tests that leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.jobs_cluster import JobsCluster, jobs_cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsCluster]:
    with jobs_cluster(tmp_path_factory.mktemp("jobs")) as cluster:
        cluster.start_workers(2)
        yield cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[JobsCluster]:
    """A cluster without a worker, for tests that break things."""
    with jobs_cluster(tmp_path) as cluster:
        yield cluster
