"""A jobs server of its own process, its store and its files, and what tests do with them. No worker is needed: tests
claim and end jobs themselves."""

import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from google.longrunning.operations_pb2 import GetOperationRequest
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.services.common.cards import CARDS
from convscope.services.common.jobs.artifacts import Artifacts, folder_of
from convscope.services.common.jobs.job import File, Lease, NewJob, Progress
from convscope.services.common.jobs.kinds import (
    CREATE_ADVERSARIAL,
    DEEP_DREAM,
    INVERT_FEATURES,
    KINDS,
    VISUALIZE_CHANNEL,
    VISUALIZE_CLASS,
)
from convscope.services.common.jobs.records import JobRecords
from convscope.v1.collection_service_pb2_grpc import CollectionServiceStub
from convscope.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from convscope.v1.image_pb2 import Image
from convscope.v1.job_service_pb2 import ListJobsRequest
from convscope.v1.job_service_pb2_grpc import JobServiceStub
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    InvertFeaturesRequest,
    JobOptions,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.synthesis_service_pb2_grpc import SynthesisServiceStub
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.processes import JobsProcess, ServerProcess
from tests.services.calls import SECONDS
from tests.services.pictures import noise, to_file

MODEL = "efficientnet_lite0"
PNG = to_file(noise(64, 48))
LEASE_SECONDS = 60.0
MANY = 1_000_000
Operation = Any
"""google.longrunning.Operation, which has no types."""


class JobStubs:
    """The services of a jobs server on one channel. No call is tried again."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        synthesis, jobs, operations = SynthesisServiceStub(channel), JobServiceStub(channel), OperationsStub(channel)
        self.visualize_class = synthesis.VisualizeClass
        self.visualize_channel = synthesis.VisualizeChannel
        self.deep_dream = synthesis.DeepDream
        self.invert_features = synthesis.InvertFeatures
        self.create_adversarial = synthesis.CreateAdversarial
        self.train_prior = synthesis.TrainPrior
        self.list_priors = synthesis.ListPriors
        self.get_prior = synthesis.GetPrior
        self.list_recipes = synthesis.ListRecipes
        collections = CollectionServiceStub(channel)
        self.create_collection = collections.CreateCollection
        self.get_collection = collections.GetCollection
        self.list_collections = collections.ListCollections
        self.delete_collection = collections.DeleteCollection
        self.upload_images = collections.UploadImages
        self.list_images = collections.ListImages
        self.get_image = collections.GetImage
        self.import_images = collections.ImportImages
        self.upload_annotations = collections.UploadAnnotations
        self.list_annotations = collections.ListAnnotations
        self.get_annotation = collections.GetAnnotation
        self.index_collection = collections.IndexCollection
        self.project_collection = collections.ProjectCollection
        evaluation = EvaluationServiceStub(channel)
        self.evaluate_methods = evaluation.EvaluateMethods
        self.evaluate_attention = evaluation.EvaluateAttention
        self.list_jobs = jobs.ListJobs
        self.watch_job = jobs.WatchJob
        self.download_artifact = jobs.DownloadArtifact
        self.get = operations.GetOperation
        self.list = operations.ListOperations
        self.wait = operations.WaitOperation
        self.cancel = operations.CancelOperation
        self.delete = operations.DeleteOperation
        self._health = health_pb2_grpc.HealthStub(channel)

    def health(self, service: str = "") -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(self._health.Check(request, timeout=SECONDS).status)


@contextmanager
def calling(address: str) -> Iterator[JobStubs]:
    """Stubs on a channel of their own, closed afterwards."""
    options = [
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    ]
    with grpc.insecure_channel(address, options=options) as channel:
        yield JobStubs(channel)


@dataclass(frozen=True)
class Jobs:
    """A server that serves, and what lies behind it."""

    process: ServerProcess
    stubs: JobStubs
    store: "redis.Redis"
    records: JobRecords
    folder: Path
    """The artifact store."""

    def clear(self) -> None:
        """Forget all jobs, and their files."""
        self.store.flushdb()
        shutil.rmtree(self.folder, ignore_errors=True)

    def visualize(self, targets: int = 1, **options: Any) -> Operation:
        """Hand in a job for so many classes; options as of JobOptions."""
        return self.stubs.visualize_class(visualizing(targets, **options), timeout=SECONDS)

    def dream(self, **options: Any) -> Operation:
        """Hand in a job with a picture; options as of JobOptions."""
        return self.stubs.deep_dream(dreaming(options=JobOptions(**options)), timeout=SECONDS)

    def hand_in(self, kind: str, **options: Any) -> Operation:
        """Hand in a job of any kind; options as of JobOptions."""
        call = getattr(self.stubs, kind)
        return call(ASKING[kind](options=JobOptions(**options)), timeout=SECONDS)

    def get(self, name: str) -> Operation:
        return self.stubs.get(GetOperationRequest(name=name), timeout=SECONDS)

    def names(self) -> list[str]:
        """Of all jobs that are listed, the newest first."""
        return [job.name for job in self.stubs.list_jobs(ListJobsRequest(page_size=1000), timeout=SECONDS).jobs]

    def files(self) -> list[str]:
        """Everything in the artifact store, relative to it."""
        # os.walk passes over a folder that is removed meanwhile.
        walked = [Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names]
        return sorted(str(path.relative_to(self.folder)) for path in walked)

    def claim(self, kind: str = VISUALIZE_CLASS) -> Lease:
        """As a worker does."""
        lease = self.records.claim(kind, "tester", LEASE_SECONDS)
        assert lease is not None
        return lease

    def running(self) -> tuple[str, Lease]:
        """A job that a worker has: its name and the lease."""
        name = self.visualize().name
        lease = self.claim()
        assert name == f"jobs/{lease.id}"
        return name, lease

    def step(self, lease: Lease, step: int = 1, jpeg: bytes = b"") -> None:
        self.records.step(lease, LEASE_SECONDS, Progress(step, 10_000, -1.5 * step, (1.5 * step,)), jpeg)

    def leave(self, lease: Lease, data: bytes, name: str = "image-0.png", media_type: str = "image/png") -> File:
        """Write a file as a worker does."""
        path = f"{folder_of(lease.id)}/{lease.attempt}/{name}"
        return Artifacts(f"file://{self.folder}").keep(path, media_type, data)

    def succeeded(self, data: bytes = b"a picture") -> str:
        """A job that has succeeded: its name."""
        name, lease = self.running()
        self.step(lease)
        self.records.succeed(lease, result_of(VISUALIZE_CLASS), [self.leave(lease, data)])
        return name

    def accept(self, id: str, *, caller: str = "another", kind: str = VISUALIZE_CLASS, retention: float = 60) -> None:
        """Put a job into the store without a message, as a server that dies at once would leave it."""
        new = NewJob(id=id, kind=kind, model=MODEL, spec={}, caller=caller)
        self.records.accept(new, limit=MANY, caller_limit=MANY, retention=retention)

    def publish(self, card: ModelCard) -> None:
        self.store.hset(CARDS, MODEL, card.SerializeToString())


def quickest(call: Callable[[], object]) -> float:
    """Seconds that the fastest of three calls takes: the machine may be busy with something else."""

    def seconds() -> float:
        begun = time.monotonic()
        call()
        return time.monotonic() - begun

    return min(seconds() for _ in range(3))


def visualizing(targets: int = 1, model: str = f"models/{MODEL}", **options: Any) -> VisualizeClassRequest:
    """A good request."""
    references = [ClassReference(index=index) for index in range(targets)]
    return VisualizeClassRequest(model=model, targets=references, options=JobOptions(**options))


def dreaming(**fields: Any) -> DeepDreamRequest:
    """A good request, but for what is given."""
    return DeepDreamRequest(**{"model": f"models/{MODEL}", "image": Image(encoded=PNG), **fields})


def picturing(**fields: Any) -> VisualizeChannelRequest:
    """A good request for a channel, but for what is given."""
    return VisualizeChannelRequest(**{"model": f"models/{MODEL}", "units": [Unit(layer="blocks.1")], **fields})


def inverting(**fields: Any) -> InvertFeaturesRequest:
    """A good request for a photograph, but for what is given; with `features` without one."""
    source = {} if "features" in fields else {"image": Image(encoded=PNG)}
    return InvertFeaturesRequest(**{"model": f"models/{MODEL}", **source, **fields})


def attacking(**fields: Any) -> CreateAdversarialRequest:
    """A good request for a photograph, but for what is given."""
    return CreateAdversarialRequest(**{"model": f"models/{MODEL}", "image": Image(encoded=PNG), **fields})


ASKING: Mapping[str, Callable[..., Message]] = {
    VISUALIZE_CLASS: lambda options: VisualizeClassRequest(
        model=MODEL, targets=[ClassReference(index=0)], options=options
    ),
    VISUALIZE_CHANNEL: picturing,
    DEEP_DREAM: dreaming,
    INVERT_FEATURES: inverting,
    CREATE_ADVERSARIAL: attacking,
}
"""A good request of each kind."""
GUESS = {"index": 281, "label": "tabby", "score": 12.5, "probability": 0.75}
RESULTS: dict[str, dict[str, Any]] = {
    VISUALIZE_CLASS: {"images": [{"target": 281, "label": "tabby", "probability": 0.75}]},
    VISUALIZE_CHANNEL: {"images": [{"unit": {"layer": "blocks.1", "channel": 7, "row": 0, "column": 3}}]},
    DEEP_DREAM: {"images": [{}], "layer": "blocks.3"},
    INVERT_FEATURES: {"images": [{"layer": "blocks.3", "distance": 0.25, "similarity": -0.5}]},
    CREATE_ADVERSARIAL: {
        "images": [{"target": 281, "label": "tabby", "probability": 0.75}],
        "fooled": True,
        "before": [GUESS | {"index": 3, "label": "tiger shark"}],
        "after": [GUESS],
        "linf": 0.03125,
        "l2": 1.5,
        "changed": 0.5,
        "steps": 7,
        "magnification": 16.0,
    },
}


def result_of(kind: str) -> dict[str, Any]:
    """What a worker writes when it has done a job."""
    result = RESULTS[kind]
    return result | {"images": [{**image, "file": "image-0.png", "score": 12.5} for image in result["images"]]}


@contextmanager
def jobs_server(redis_url: str, folder: Path, **settings: object) -> Iterator[Jobs]:
    """A server that serves, stopped afterwards."""
    process = JobsProcess(**{"redis_url": redis_url, "artifacts_url": f"file://{folder}", **settings})
    try:
        process.wait_until_serving()
        with redis.Redis.from_url(redis_url) as store, calling(process.address) as stubs:
            yield Jobs(process, stubs, store, JobRecords(store, KINDS), folder)
    finally:
        if process.process.poll() is None:
            process.stop()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A folder from which nobody can remove anything, root neither."""

    def change(flag: str, mode: int) -> None:
        if os.geteuid():
            folder.chmod(mode)
        else:
            subprocess.run(["chattr", flag, str(folder)], check=True, capture_output=True)

    try:
        change("+i", 0o555)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this file system locks no folder against root")
    try:
        yield
    finally:
        change("-i", 0o755)


class Wire:
    """A way to the store that breaks when the store has done something and has not come to say so."""

    def __init__(self, port: int) -> None:
        """port: of the store."""
        self._port = port
        self._words = b""
        self._broken = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def break_after(self, words: bytes) -> None:
        """Break as soon as the store has answered something with these words in it, and stay broken."""
        self._words = words

    def mend(self) -> None:
        assert self._broken.is_set(), "it has not broken"
        self._words = b""
        self._broken.clear()

    def close(self) -> None:
        self._broken.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        with suppress(OSError), caller, socket.create_connection(("127.0.0.1", self._port)) as store:
            ends = {caller: store, store: caller}
            while not self._broken.is_set():
                for end in select.select(list(ends), [], [], 0.1)[0]:
                    data = end.recv(1 << 20)
                    if not data:
                        return
                    ends[end].sendall(data)
                    if end is caller and self._words and self._words in data:
                        store.recv(1 << 20)
                        self._broken.set()
                        return
