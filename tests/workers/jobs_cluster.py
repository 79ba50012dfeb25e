"""A cluster for long work, of real processes that a test may kill, stop and start again."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
import redis
from google.longrunning.operations_pb2 import GetOperationRequest
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf.message import Message

from convscope.client import Client
from convscope.services.common.jobs.events import Event, StateChange, events_after
from convscope.services.common.jobs.job import Job, Progress, State
from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.jobs.records import JobRecords
from convscope.v1.collection_service_pb2_grpc import CollectionServiceStub
from convscope.v1.job_service_pb2 import DownloadArtifactRequest
from convscope.v1.job_service_pb2_grpc import JobServiceStub
from convscope.v1.synthesis_service_pb2_grpc import SynthesisServiceStub
from tests.processes import JobsProcess, LastingStore, ServerProcess, free_port, wait_until

R = TypeVar("R", bound=Message)
SECONDS = 60.0
"""Deadline of a call."""
TEAM = Path(__file__).parent / "team"
SIZE = 32
LEASE_SECONDS, CHECKPOINT_SECONDS = 1.5, 0.2
NETWORKS = ("small", "slow", "steady", "crashing", "hungry")
ENTRY = """
[[models]]
name = "{name}"
source = "factory"
network = "worker_networks:{name}"
labels = ["cat", "dog", "fox", "hen", "owl"]
preprocessing = {{ resize = 32, height = 32, width = 32 }}
seed = 5
"""
ANSWERING = """
[[models]]
name = "answering"
source = "shapes"
network = "answerer"
"""


class WorkerProcess(ServerProcess):
    """`python -m convscope.workers`, with one child."""

    module = "convscope.workers"

    def wait_until_it_takes_jobs(self) -> "WorkerProcess":
        self.wait_for("takes jobs")
        return self

    @property
    def child(self) -> int:
        """Process id of the child that takes the jobs; of one that has died that of its successor, which comes."""
        return wait_until(self._living_child, "a living child")

    def _living_child(self) -> int | None:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        try:
            # The parent takes seconds to notice that one has died.
            living = [child for child in children if " Z " not in Path(f"/proc/{child}/stat").read_text()]
        except FileNotFoundError:  # it has just noticed
            return None
        return int(living[0]) if len(living) == 1 else None


class JobsCluster:
    """A store, a jobs server, workers, and a client; the artifacts lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.catalogue = folder / "catalogue.toml"
        self.catalogue.write_text("".join(ENTRY.format(name=name) for name in NETWORKS) + ANSWERING)
        self.store = LastingStore(folder / "store")
        self.store.start()
        self.redis = redis.Redis.from_url(self.store.url)
        self.records = JobRecords(self.redis, KINDS)
        self.port = free_port()
        self._servers: list[JobsProcess] = []
        self.server = self.start_server()
        self.client = Client.connect(f"127.0.0.1:{self.port}")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self._synthesis = SynthesisServiceStub(self.channel)
        self.collections = CollectionServiceStub(self.channel)
        self._operations = OperationsStub(self.channel)
        self._jobs = JobServiceStub(self.channel)
        self.workers: list[WorkerProcess] = []

    def settings(self) -> dict[str, object]:
        return {
            "redis_url": self.store.url,
            "artifacts_url": self.artifacts.as_uri(),
            "catalogue": self.catalogue,
            "lease_seconds": LEASE_SECONDS,
            "checkpoint_seconds": CHECKPOINT_SECONDS,
            "device": "cpu",
        }

    def start_server(self, **settings: object) -> JobsProcess:
        self.server = JobsProcess(**{**self.settings(), "port": self.port, "max_attempts": 3, **settings})
        self._servers.append(self.server)
        self.server.wait_until_serving()
        return self.server

    def start_workers(self, count: int = 1, **settings: object) -> list[WorkerProcess]:
        """Further workers; they start side by side."""
        new = [WorkerProcess(**{**self.settings(), **settings}) for _ in range(count)]
        self.workers += new
        return [worker.wait_until_it_takes_jobs() for worker in new]

    def visualize(self, model: str = "small", steps: int = 50, seed: int = 0, **options: Any) -> str:
        """Hand a job in; its id."""
        job = self.client.visualize_class(
            model=model,
            target=seed % 5,
            recipe="simonyan2013",
            steps=steps,
            seed=seed,
            jitter=2,
            preview_seconds=0.5,
            **options,
        )
        return job.name.removeprefix("jobs/")

    def hand_in(self, request: Message) -> str:
        """Hand a job of any kind in, as the contract has it; its id."""
        call = getattr(self._synthesis, type(request).__name__.removesuffix("Request"))
        return str(call(request, timeout=SECONDS).name).removeprefix("jobs/")

    def response(self, id: str, response: R) -> R:
        """What the operation of a job that has succeeded gives, unpacked."""
        operation = self._operations.GetOperation(GetOperationRequest(name=f"jobs/{id}"), timeout=SECONDS)
        assert operation.response.Unpack(response), operation
        return response

    def download(self, name: str) -> bytes:
        """An artifact by its resource name."""
        pieces = self._jobs.DownloadArtifact(DownloadArtifactRequest(name=name), timeout=SECONDS)
        return b"".join(piece.data for piece in pieces)

    def passes(self) -> list[tuple[int, int]]:
        """Of the network `steady` so far: the process, and how many pictures."""
        path = self.folder / "passes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(process), int(count)) for process, count in map(str.split, lines)]

    def job(self, id: str) -> Job:
        found = self.records.find(id)
        assert found is not None
        return found

    def wait_for_end(self, id: str, timeout: float = 60) -> Job:
        wait_until(lambda: self.job(id).state.ended, f"the job {id} to end: {self.job(id)}", timeout)
        return self.job(id)

    def wait_for_step(self, id: str, step: int, timeout: float = 60) -> None:
        """Wait until the job has told that step, or a later one."""

        def there() -> bool:
            progress = self.job(id).progress
            return progress is not None and progress.step >= step

        wait_until(there, f"step {step}", timeout)

    def worker_of(self, id: str) -> WorkerProcess:
        """The worker that runs a job."""
        owner = wait_until(lambda: self.redis.hget(f"convscope:job:{id}", "owner"), "a worker to take the job")
        assert isinstance(owner, bytes)
        child = int(owner.rpartition(b"-")[2])
        alive = [worker for worker in self.workers if worker.process.poll() is None]
        (found,) = [worker for worker in alive if worker.child == child]
        return found

    def events(self, id: str) -> list[Event]:
        """All that are kept, from the first."""
        return events_after(self.redis, id, 0)

    def states(self, id: str) -> list[State]:
        return [event.what.state for event in self.events(id) if isinstance(event.what, StateChange)]

    def steps(self, id: str) -> list[int]:
        return [event.what.step for event in self.events(id) if isinstance(event.what, Progress)]

    def files(self, id: str) -> dict[str, bytes]:
        """What a job has left, by name."""
        return {file.name: (self.artifacts / file.path).read_bytes() for file in self.job(id).files}

    def close(self) -> None:
        self.client.close()
        self.channel.close()
        for process in (*self.workers, *self._servers):
            if process.process.poll() is None:
                process.kill()
        self.redis.close()
        self.store.kill()


@contextmanager
def jobs_cluster(folder: Path) -> Iterator[JobsCluster]:
    """Nothing of it outlives the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TEAM), prepend=os.pathsep)
        patch.setenv("STEADY_PASSES", str(folder / "passes"))
        cluster = JobsCluster(folder)
        try:
            yield cluster
        finally:
            cluster.close()


def pause(pid: int, seconds: float) -> None:
    """Stop a process for so long, then let it go on."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


assert sys.platform == "linux", "the workers' tests look into /proc"
