"""`python -m convscope.services.local`, run and watched."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.trail import Trail
from tests.processes import wait_until

MODEL = "efficientnet_lite0"
SUPERVISOR, SERVERS, STORE = "convscope.services.local", "convscope.services.all_in_one", "valkey"
SECONDS = 90


@dataclass(frozen=True)
class Addresses:
    """What cluster.json says."""

    server: str
    store: str
    metrics: int
    page: str

    @property
    def ports(self) -> tuple[int, ...]:
        """Of the server, the store, the metrics page and the page."""
        store = self.store.rpartition(":")[2].partition("/")[0]
        return int(self.server.rpartition(":")[2]), int(store), self.metrics, int(self.page.rpartition(":")[2])


class LocalCluster:
    """A supervisor with its children; what it says goes to a file."""

    def __init__(self, data_dir: Path, *options: str, **environment: str) -> None:
        """Starts it, on any free port."""
        self.data_dir = data_dir
        self.trail = Trail(data_dir)
        self._said = data_dir.with_name(f"{data_dir.name}.said")
        command = [
            sys.executable,
            "-m",
            SUPERVISOR,
            "--data-dir",
            str(data_dir),
            "--port",
            "0",
            "--web-port",
            "0",
            "--models",
            MODEL,
        ]
        with self._said.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, *options], stdout=file, stderr=file, env={**self.trail.environment, **environment}
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def cluster_file(self) -> Path:
        return self.data_dir / "cluster.json"

    def wait_until_it_says(self, words: str) -> None:
        """AssertionError with what it said where it ends before."""

        def says_so() -> bool:
            ended = self.process.poll() is not None
            if words in self.said:
                return True
            assert not ended, f"it ended with status {self.process.returncode}:\n{self.said}"
            return False

        wait_until(says_so, f"the cluster says {words!r}", SECONDS)

    def wait_until_up(self) -> Addresses:
        self.wait_until_it_says("convscope is up")
        found: dict[str, Any] = json.loads(self.cluster_file.read_text())
        return Addresses(**found)

    def send(self, number: signal.Signals, words: str = SUPERVISOR) -> None:
        """A signal to the one process of the cluster whose command line holds these words."""
        os.kill(self.trail.find(words), number)

    def wait(self) -> int:
        """The supervisor's exit status."""
        return self.process.wait(SECONDS)

    def wait_until_nothing_is_left(self) -> None:
        wait_until(lambda: not self.trail.processes(), "every process of the cluster has ended", SECONDS)

    def clean_up(self) -> None:
        """Kill whatever still runs, by process id."""
        for pid in self.trail.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def local_cluster(data_dir: Path, *options: str, **environment: str) -> Iterator[LocalCluster]:
    """Nothing of it outlives the block."""
    cluster = LocalCluster(data_dir, *options, **environment)
    try:
        yield cluster
    finally:
        cluster.clean_up()


def listens(port: int) -> bool:
    """Whether somebody on this machine does."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
