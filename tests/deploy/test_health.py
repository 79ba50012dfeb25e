"""What containers are asked whether they are well: the very commands of the images, at real programs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.services.common.health import HealthServicer
from convscope.services.common.probe import serves
from tests.deploy.dockerfile import stages
from tests.deploy.manifests import pod_of, render
from tests.processes import JobsProcess, free_port, serving, store, wait_until
from tests.web.served import WebProcess
from tests.workers.jobs_cluster import WorkerProcess

ANSWER = health_pb2.HealthCheckResponse


def healthy(command: list[str], **settings: object) -> bool:
    """Whether a command ends with status 0, told these CONVSCOPE_* variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}
    environment |= {f"CONVSCOPE_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(command, env=environment, check=False, capture_output=True, timeout=30).returncode == 0


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def test_attribution() -> None:
    command = stages()["attribution"].health_command()
    with serving(models="") as server:
        assert healthy(command, port=port_of(server.address))
    assert not healthy(command, port=port_of(server.address))


@pytest.fixture
def store_url() -> Iterator[str]:
    with store() as valkey:
        yield valkey.connection_url


def test_jobs(store_url: str, tmp_path: Path) -> None:
    command = stages()["jobs"].health_command()
    server = JobsProcess(redis_url=store_url, artifacts_url=tmp_path.as_uri()).wait_until_serving()
    assert healthy(command, port=port_of(server.address))
    assert server.stop() == 0
    assert not healthy(command, port=port_of(server.address))


def test_worker(store_url: str, tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    command = stages()["worker"].health_command()
    worker = WorkerProcess(redis_url=store_url, artifacts_url=tmp_path.as_uri(), device="cpu", heartbeat_file=file)
    assert not healthy(command, heartbeat_file=file)
    wait_until(file.exists, "a heartbeat", timeout=90)
    assert healthy(command, heartbeat_file=file)
    (container,) = pod_of(render("base").one("Deployment", "worker"))["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = [sys.executable, *container[probe]["exec"]["command"][1:]]
        assert healthy(asked, heartbeat_file=file), probe
    assert worker.stop() == 0
    assert not healthy(command, heartbeat_file=file)


def test_web() -> None:
    command = stages()["web"].health_command()
    # Its cluster is not there, which is nothing that starting it again would mend.
    with WebProcess(server=f"127.0.0.1:{free_port()}") as web:
        port = port_of(web.page)
        wait_until(lambda: healthy(command, port=port), "the page", timeout=60)
    assert not healthy(command, port=port)


@pytest.mark.parametrize(("status", "well"), [(ANSWER.SERVING, True), (ANSWER.NOT_SERVING, False)])
def test_a_server_that_answers_and_is_not_ready_is_not_healthy(status: int, well: bool) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = HealthServicer()
    servicer.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert serves(f"127.0.0.1:{port}", 5) is well
    server.stop(None).wait()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tls.crt, its key and who signed it: itself. For localhost, which the probe calls."""
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.crt -days 2"
        " -subj /CN=convscope -addext subjectAltName=DNS:jobs.convscope.svc,DNS:localhost"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed, which makes the certificate")
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())
    return folder


@pytest.mark.parametrize("mutual", [False, True], ids=["encrypted", "and with certificates of callers"])
def test_encrypted(store_url: str, tmp_path: Path, certificate: Path, mutual: bool) -> None:
    """The command of components/tls."""
    (container,) = pod_of(render("overlays/ha").one("Deployment", "jobs"))["containers"]
    command = [sys.executable, *container["readinessProbe"]["exec"]["command"][1:]]
    assert command[-2:] == ["--ca", "/etc/convscope/ca/ca.crt"]
    command[-1] = str(certificate / "ca.crt")
    encryption = {"tls_certificate": certificate / "tls.crt", "tls_key": certificate / "tls.key"}
    if mutual:
        encryption["tls_client_ca"] = certificate / "ca.crt"
    server = JobsProcess(redis_url=store_url, artifacts_url=tmp_path.as_uri(), **encryption).wait_until_serving()
    port = port_of(server.address)
    assert healthy(command, port=port, **encryption)
    assert not healthy(command[:-2], port=port, **encryption)
    assert server.stop() == 0
