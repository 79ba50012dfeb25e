"""Servers and workers whose way to the store is encrypted, both sides showing certificates."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from convscope.client import Client
from convscope.client.errors import ClientError
from convscope.services.common.jobs.job import State
from tests.certificates import Certificates, make_certificates
from tests.encrypted_front import HANDSHAKE, EncryptedFront
from tests.processes import ServerProcess, wait_until
from tests.workers.jobs_cluster import TEAM, JobsCluster, WorkerProcess


class AllProcess(ServerProcess):
    """`python -m convscope.services.all_in_one`."""

    module = "convscope.services.all_in_one"


class EncryptedCluster(JobsCluster):
    """Its servers and workers know the encrypted way to the store only."""

    front: EncryptedFront | None = None

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.certificates = certificates
        super().__init__(folder)

    def settings(self) -> dict[str, object]:
        if self.front is None:
            self.front = EncryptedFront(self.store.port, self.certificates)
        address = self.folder / "url"
        address.write_text(self.front.url())
        told = super().settings()
        del told["redis_url"]
        return told | {
            "redis_url_file": address,
            "redis_tls_ca": self.certificates.path("ca.pem"),
            "redis_tls_certificate": self.certificates.path("client.pem"),
            "redis_tls_key": self.certificates.path("client.key"),
        }

    def close(self) -> None:
        super().close()
        if self.front is not None:
            self.front.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def cluster(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[EncryptedCluster]:
    monkeypatch.setenv("PYTHONPATH", str(TEAM), prepend=os.pathsep)
    cluster = EncryptedCluster(tmp_path, certificates)
    yield cluster
    cluster.close()


def test_a_job_is_handed_in_carried_out_and_watched_over_mutual_tls(cluster: EncryptedCluster) -> None:
    cluster.start_workers(1)
    id = cluster.visualize("small", 20)
    events = list(cluster.client.job(f"jobs/{id}").watch())
    assert events
    assert cluster.wait_for_end(id).state is State.SUCCEEDED
    assert cluster.files(id)
    # A worker that is killed is missed, and the store comes again, over the same way.
    slow = cluster.visualize("slow", 200)
    cluster.wait_for_step(slow, 1)
    cluster.store.kill()
    cluster.store.start()
    again = cluster.visualize("small", 5)
    for one in (slow, again):
        assert cluster.wait_for_end(one).state is State.SUCCEEDED
    assert cluster.front is not None
    assert cluster.front.let_in > 4
    assert set(cluster.front.first_bytes) == {HANDSHAKE}


def test_answers_and_quotas_are_kept_over_mutual_tls(cluster: EncryptedCluster, tmp_path: Path) -> None:
    callers = tmp_path / "callers.toml"
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
    callers.write_text(f'[[callers]]\nname = "team"\ntoken_sha256 = "{digest}"\ncalls_per_second = 100\n')
    server = AllProcess(**{**cluster.settings(), "models": "small", "callers_file": callers}).wait_until_serving()
    try:
        with Client.connect(server.address, token="foo") as client:
            client.attribute(Image.new("RGB", (32, 32)), model="small", method="saliency")
        for kind in ("answer:*", "calls:team", "replicas"):
            wait_until(lambda kind=kind: cluster.redis.keys(f"convscope:{kind}"), kind)  # type: ignore[misc]
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"redis_tls_ca": "stranger.pem"}, "CERTIFICATE_VERIFY_FAILED"),
        ({"redis_tls_certificate": "unknown.pem", "redis_tls_key": "unknown.key"}, "unknown ca"),
    ],
    ids=["a store of another authority", "a worker of another authority"],
)
def test_who_is_not_believed_takes_no_jobs_and_says_why(
    cluster: EncryptedCluster, changed: dict[str, str], said: str
) -> None:
    files = {name: cluster.certificates.path(file) for name, file in changed.items()}
    worker = WorkerProcess(**{**cluster.settings(), **files, "heartbeat_file": cluster.folder / "heartbeat"})
    cluster.workers.append(worker)
    id = cluster.visualize("small", 3)
    wait_until(lambda: any(said in line for line in worker.log), "the worker to say why")
    assert not (cluster.folder / "heartbeat").exists()
    assert (cluster.folder / "heartbeat.alive").exists(), "it waits, and is not to be killed for it"
    assert cluster.job(id).state is State.QUEUED
    server = cluster.start_server(**files, port=0)
    try:
        with Client.connect(server.address) as client, pytest.raises(ClientError, match=re.escape(said)) as error:
            list(client.jobs(timeout=30))
        assert error.value.reason == "STORE_AWAY"
    finally:
        server.stop()
