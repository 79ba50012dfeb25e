"""One cluster for the tests that leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.telemetry.cluster import ObservedCluster, observed_cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedCluster]:
    with observed_cluster(tmp_path_factory.mktemp("observed")) as cluster:
        yield cluster
