"""One local cluster for the tests that leave it as it was."""

from collections.abc import Iterator

import pytest

from convscope.client import Client
from tests.e2e.local_cluster import Addresses, local_cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Where a cluster is that is up."""
    with local_cluster(tmp_path_factory.mktemp("cluster") / "data") as running:
        yield running.wait_until_up()
        running.process.terminate()
        assert running.wait() == 0, running.said


@pytest.fixture
def cluster_client(cluster: Addresses) -> Iterator[Client]:
    with Client.connect(cluster.server) as client:
        yield client
