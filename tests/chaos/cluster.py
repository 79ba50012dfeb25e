"""Two attribution servers, two jobs servers, three workers and a store, each a process, with a proxy on every way."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from convscope.client import Client, ClientError
from tests.chaos.footprint import Footprint, footprint
from tests.chaos.part import Part, ServerPart, StorePart
from tests.chaos.proxy import Proxies, Proxy
from tests.chaos.questions import PICTURES
from tests.processes import JobsProcess, ServerProcess, free_port, wait_until
from tests.services.held import NETWORKS, entry
from tests.workers.jobs_cluster import ENTRY, TEAM, WorkerProcess

LEASE_SECONDS, CHECKPOINT_SECONDS = 2.0, 0.2
# So often may a job lose its worker: it is the faults that are many, and not the job that is bad.
MAX_ATTEMPTS = 20
SERVERS, WORKERS = 2, 3
WELL_SECONDS = 180.0
MODELS = "small,guarded"
JOB_MODELS = "small,slow"


class Cluster:
    """Not started yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self._catalogue = folder / "catalogue.toml"
        networks = [ENTRY.format(name=name) for name in ("small", "slow")]
        self._catalogue.write_text("".join([*networks, entry("guarded", gates=str(folder))]))
        self._proxies = Proxies()
        self._clients = ExitStack()
        self.store = StorePart(folder / "store")
        self.to_store: dict[str, Proxy] = {}
        """The way of each part to the store, by its name."""
        self.to_server: dict[str, Proxy] = {}
        """The way of clients to each server, by its name."""
        self.attribution = [self._server(f"attribution-{place}", ServerProcess, MODELS) for place in range(SERVERS)]
        self.jobs = [self._server(f"jobs-{place}", JobsProcess, "") for place in range(SERVERS)]
        self.workers = [self._worker(f"worker-{place}") for place in range(WORKERS)]
        self._alone: dict[str, Client] = {}

    @property
    def parts(self) -> list[Part]:
        return [self.store, *self.attribution, *self.jobs, *self.workers]

    @property
    def attribution_target(self) -> str:
        """Both servers, as gRPC names several addresses; the SDK's channel takes them in turns."""
        return self._target(self.attribution)

    @property
    def jobs_target(self) -> str:
        return self._target(self.jobs)

    def start(self) -> None:
        """All side by side."""
        for part in self.parts:
            part.begin()
        for part in self.parts:
            part.wait_until_begun()
        self._alone = {
            name: self._clients.enter_context(Client.connect(way.address)) for name, way in self.to_server.items()
        }
        self.wait_until_well(self.store)

    def wait_until_well(self, part: Part) -> None:
        """Until a server answers on its way and reaches the store, a worker takes jobs; with the store everybody."""
        since = time.time()
        for one in self.parts if part is self.store else [part]:
            if one is not self.store:
                wait_until(lambda one=one: self._well(one, since), f"{one} to be well", WELL_SECONDS)  # type: ignore[misc]

    def footprints(self) -> dict[str, Footprint]:
        """Of every part."""
        return {part.name: footprint(part.pids()) for part in self.parts}

    def close(self) -> None:
        """Nothing of it is left."""
        self._clients.close()
        for part in self.parts:
            part.kill()
        self._proxies.close()

    def _well(self, part: Part, since: float) -> bool:
        try:
            if part in self.workers:
                return self._heartbeat(part.name).stat().st_mtime > since
            client = self._alone[part.name]
            if part in self.jobs:
                next(client.jobs(page_size=1, timeout=2), None)
            else:
                client.classify(PICTURES[0], model="small", timeout=2)
            return client.ready(timeout=2)
        except (ClientError, FileNotFoundError):
            return False

    def _heartbeat(self, name: str) -> Path:
        return self.folder / f"{name}.heartbeat"

    def _target(self, servers: list[ServerPart]) -> str:
        return "ipv4:" + ",".join(self.to_server[server.name].address for server in servers)

    def _settings(self, name: str) -> dict[str, object]:
        self.to_store[name] = self._proxies.open(self.store.port)
        return {
            "redis_url": f"redis://{self.to_store[name].address}/0",
            "artifacts_url": self.artifacts.as_uri(),
            "catalogue": self._catalogue,
            "device": "cpu",
        }

    def _server(self, name: str, kind: type[ServerProcess], models: str) -> ServerPart:
        settings = self._settings(name) | {
            "port": free_port(),
            "models": models,
            "replica": name,
            # Answers are computed again and again, and now and then found in the store.
            "cache_seconds": 1,
            "index_part": 4,
            "max_attempts": MAX_ATTEMPTS,
        }
        self.to_server[name] = self._proxies.open(int(str(settings["port"])))
        return ServerPart(name, lambda: kind(**settings), "serving")

    def _worker(self, name: str) -> ServerPart:
        settings = self._settings(name) | {
            "models": JOB_MODELS,
            "lease_seconds": LEASE_SECONDS,
            "checkpoint_seconds": CHECKPOINT_SECONDS,
            "heartbeat_file": self._heartbeat(name),
        }
        return ServerPart(name, lambda: WorkerProcess(**settings), "takes jobs")


@contextmanager
def chaos_cluster(folder: Path) -> Iterator[Cluster]:
    """One that is well. Nothing of it outlives the block."""
    with pytest.MonkeyPatch.context() as patch:
        for networks in (TEAM, NETWORKS):
            patch.setenv("PYTHONPATH", str(networks), prepend=os.pathsep)
        cluster = Cluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()
