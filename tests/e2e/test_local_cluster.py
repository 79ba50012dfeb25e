"""`convscope up`: starts everything, says where, and stops everything whatever happens."""

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from redis import Redis

from convscope.client import Client
from convscope.client.channel import Tls
from tests.clients.answers import class_of
from tests.e2e.local_cluster import MODEL, SECONDS, SERVERS, STORE, SUPERVISOR, Addresses, listens, local_cluster
from tests.e2e.trail import PROC, Trail
from tests.processes import free_port, wait_until

pytestmark = pytest.mark.skipif(not PROC.exists(), reason="processes are found through /proc")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "data"


def test_it_prints_its_addresses_and_writes_them_down(data_dir: Path, cat_path: Path) -> None:
    with local_cluster(data_dir) as cluster:
        addresses = cluster.wait_until_up()
        for words in (addresses.server, addresses.store, f":{addresses.metrics}/metrics", str(data_dir / "logs")):
            assert words in cluster.said
        assert_answers(addresses, cat_path)
        with urlopen(f"http://127.0.0.1:{addresses.metrics}/metrics", timeout=10) as page:
            assert b"convscope_" in page.read()
        # The supervisor, the store, the servers, the worker and its child, the page.
        assert len(cluster.trail.processes()) == 6

        refused = up(data_dir)
        assert refused.returncode == 1
        assert f"process {cluster.process.pid}" in refused.stderr, "the one that is in the way"
        assert "--data-dir" in refused.stderr, "what to do about it"
        assert_answers(addresses, cat_path)

        cluster.send(signal.SIGINT)
        assert cluster.wait() == 0, cluster.said
        assert "error" not in cluster.said
        assert cluster.trail.processes() == {}
        assert not cluster.cluster_file.exists()
        assert [port for port in addresses.ports if listens(port)] == []


def test_it_can_be_stopped_while_it_starts(data_dir: Path) -> None:
    with local_cluster(data_dir) as cluster:
        cluster.wait_until_it_says("starting")
        cluster.send(signal.SIGINT)
        assert cluster.wait() == 0, cluster.said
        assert cluster.trail.processes() == {}


@pytest.mark.parametrize(("name", "words"), [("servers", SERVERS), ("store", STORE)])
def test_a_child_that_dies_is_named_and_the_rest_stops(data_dir: Path, name: str, words: str) -> None:
    with local_cluster(data_dir) as cluster:
        addresses = cluster.wait_until_up()
        cluster.send(signal.SIGKILL, words)
        assert cluster.wait() == 1
        assert f"error: {name} ended with status -9" in cluster.said
        last_line = (data_dir / "logs" / f"{name}.log").read_text().rstrip().splitlines()[-1]
        assert last_line in cluster.said, "the end of its log"
        assert cluster.trail.processes() == {}
        assert not cluster.cluster_file.exists()
        assert [port for port in addresses.ports if listens(port)] == []


def test_children_of_a_killed_supervisor_end_and_the_next_one_finds_its_data(data_dir: Path, cat_path: Path) -> None:
    with local_cluster(data_dir) as cluster:
        first = cluster.wait_until_up()
        with Redis.from_url(first.store) as store:
            store.set("a key of the tests", "kept")
        cluster.send(signal.SIGKILL)
        assert cluster.wait() == -signal.SIGKILL
        cluster.wait_until_nothing_is_left()
        # Nobody has waited for these processes: one that ends is not found any more a moment before its socket closes.
        wait_until(lambda: not any(listens(port) for port in first.ports), "free ports", timeout=5)
        assert cluster.cluster_file.exists(), "a stale file, for the next one to cope with"
    with local_cluster(data_dir) as cluster:
        second = cluster.wait_until_up()
        assert second != first
        assert_answers(second, cat_path)
        with Redis.from_url(second.store) as store:
            assert store.get("a key of the tests") == b"kept"
        cluster.send(signal.SIGTERM)
        assert cluster.wait() == 0


def test_addresses_of_an_earlier_cluster_are_gone_before_the_next_one_is_up(data_dir: Path) -> None:
    data_dir.mkdir()
    stale = '{"server": "127.0.0.1:1", "store": "redis://127.0.0.1:2/0", "metrics": 3}'
    (data_dir / "cluster.json").write_text(stale)
    with local_cluster(data_dir) as cluster:
        cluster.wait_until_it_says("starting")
        found = cluster.cluster_file.read_text() if cluster.cluster_file.exists() else ""
        assert found != stale, "who waits for the file would call a server that is long gone"


def test_an_option_out_of_range_is_one_sentence(data_dir: Path) -> None:
    refused = up(data_dir, "--port", "99999")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == ["error: port: Input should be less than or equal to 65535"]


@pytest.mark.parametrize("option", ["--port", "--metrics-port", "--store-port"])
def test_a_taken_port_is_named_with_its_option(data_dir: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = up(data_dir, option, str(port))
    assert refused.returncode == 1
    assert f"error: port {port} " in refused.stderr
    assert f"is taken; choose another with {option}" in refused.stderr


def test_an_unknown_model_ends_it_and_is_named(data_dir: Path) -> None:
    refused = up(data_dir, "--models", "efficientnet_lite9")
    assert refused.returncode == 1
    assert "servers ended with status 1" in refused.stderr
    assert "unknown model 'efficientnet_lite9'; nearest: efficientnet_lite" in refused.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_servers_that_encrypt_are_waited_for_as_well(data_dir: Path, tmp_path: Path, cat_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    settings = {"CONVSCOPE_TLS_CERTIFICATE": str(certificate), "CONVSCOPE_TLS_KEY": str(key)}
    with local_cluster(data_dir, "--start-timeout", "20", **settings) as cluster:
        addresses = cluster.wait_until_up()
        with Client.connect(addresses.server, tls=Tls(ca=certificate)) as client:
            assert client.classify(cat_path, model=MODEL)


def test_convscope_up_takes_options_and_environment_and_ends_on_sigterm(
    data_dir: Path, tmp_path: Path, cat_path: Path
) -> None:
    trail, port, log = Trail(data_dir), str(free_port()), tmp_path / "log"
    command = [str(Path(sys.executable).with_name("convscope")), "up", "--data-dir", str(data_dir), "--port", port]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**trail.environment, "CONVSCOPE_TOKEN": "secret"})
    try:
        wait_until(lambda: b"convscope is up" in log.read_bytes(), "the cluster is up", SECONDS)
        with Client.connect(f"127.0.0.1:{port}", token="secret") as client:
            assert client.classify(cat_path, model=MODEL)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, log.read_text()
        assert trail.processes() == {}
        assert not listens(int(port))
    finally:
        process.kill()
        process.wait()


def up(data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A cluster that is expected to end by itself, and to leave nothing behind."""
    trail = Trail(data_dir)
    command = [sys.executable, "-m", SUPERVISOR, "--data-dir", str(data_dir), "--port", "0", *options]
    before = set(trail.processes())
    result = subprocess.run(
        command, env=trail.environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert set(trail.processes()) == before
    assert "Traceback" not in result.stderr
    return result


def assert_answers(addresses: Addresses, photograph: Path) -> None:
    """A call through the cluster works."""
    with Client.connect(addresses.server) as client:
        assert client.ready()
        assert class_of(client.attribute(photograph, model=MODEL, method="grad_cam")).label == "tiger cat"
