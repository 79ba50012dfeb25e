"""An attribution server and a jobs server that share a store, as processes, and what goes over the wire to them."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    Operation,
)
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from convscope.services.common.collections.collection import IndexRecord
from convscope.services.common.collections.records import CollectionRecords
from convscope.v1.attribution_service_pb2 import AttributeStreamResponse, ClassifyRequest, CompareRequest
from convscope.v1.collection_service_pb2 import (
    CreateCollectionRequest,
    CreateCollectionResponse,
    DeleteCollectionRequest,
    GetCollectionRequest,
    GetImageRequest,
    IndexCollectionRequest,
    ListImagesRequest,
    UploadImagesRequest,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.inspection_service_pb2 import FindNeighborsRequest, FindPatchesRequest
from convscope.v1.method_pb2 import Method
from convscope.v1.synthesis_service_pb2 import VisualizeClassRequest
from convscope.v1.target_pb2 import ClassReference
from tests.fuzz.contract import Metadata, Rpc, rpcs_of
from tests.fuzz.index import INDEXED, PATCHES, carry_out
from tests.fuzz.network import LABELS, SIZE
from tests.fuzz.vitals import Vitals
from tests.processes import ServerProcess, serving, store
from tests.services.calls import Refusal
from tests.services.jobs.server import jobs_server
from tests.services.pictures import noise, to_file

ROOT = Path(__file__).parents[2]
TOKEN = "of the one who sends rubbish"
AUTHORIZED: Metadata = (("authorization", f"Bearer {TOKEN}"),)
SECONDS = 20.0
"""Whatever takes longer hangs."""
WAIT_SECONDS = 0.2
WAITING = (
    "/grpc.health.v1.Health/Watch",
    "/convscope.v1.JobService/WatchJob",
    "/google.longrunning.Operations/WaitOperation",
)
"""Those that wait for what does not happen."""
MOST_ANSWERS = 200
PNG = to_file(noise(40, 30))
CATALOGUE = f"""
[[models]]
name = "small"
source = "factory"
network = "tests.fuzz.network:small"
labels = {list(LABELS)}
preprocessing = {{ resize = {SIZE}, height = {SIZE}, width = {SIZE} }}
seed = 5

[[models]]
name = "attentive"
source = "factory"
network = "tests.services.team.networks:attentive"
preprocessing = {{ resize = 32, height = 32, width = 32 }}

[[models]]
name = "spare"
source = "factory"
network = "tests.fuzz.network:small"
preprocessing = {{ resize = {SIZE}, height = {SIZE}, width = {SIZE} }}
"""
CALLERS = f"""
[[callers]]
name = "fuzzer"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

[[callers]]
name = "somebody"
token_sha256 = "{"0" * 64}"
calls_per_second = 1
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a call."""

    status: str
    answers: tuple[bytes, ...] = ()
    refusal: Refusal | None = None


@dataclass
class Target:
    """One server, and its RPCs."""

    process: ServerProcess
    channel: grpc.Channel
    rpcs: tuple[Rpc, ...]
    stubs: dict[tuple[str, bool, bool], Any] = field(default_factory=dict)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Short: it stands in Hypothesis's report of a failure."""
        printer.text(self.process.module)

    @property
    def pid(self) -> int:
        return self.process.process.pid

    def rpc(self, name: str) -> Rpc:
        return next(rpc for rpc in self.rpcs if rpc.name == name)

    def send(
        self, rpc: Rpc, requests: Sequence[bytes], *, metadata: Iterable[Any] = AUTHORIZED, compression: Any = None
    ) -> Outcome:
        """Bytes as they are; of a call that takes one message the first."""
        stub, waits = self._stub(rpc), rpc.path in WAITING
        sent: Any = iter(requests) if rpc.takes_stream else requests[0]
        options = {
            "timeout": WAIT_SECONDS if waits else SECONDS,
            "metadata": tuple(metadata),
            "compression": compression,
        }
        answers: list[bytes] = []
        try:
            if not rpc.gives_stream:
                return Outcome("OK", (stub(sent, **options),))
            call = stub(sent, **options)
            for answer in call:
                answers.append(answer)
                if waits or len(answers) == MOST_ANSWERS:
                    call.cancel()
                    break
        except grpc.RpcError as error:
            refusal = Refusal.of(error)
            return Outcome(refusal.code, tuple(answers), refusal)
        return Outcome("OK", tuple(answers))

    def ask(self, name: str, *requests: Message) -> bytes:
        """The one answer to a good request."""
        outcome = self.send(self.rpc(name), [request.SerializeToString() for request in requests])
        assert outcome.status == "OK", f"{name}: {outcome.refusal}"
        return outcome.answers[0]

    def _stub(self, rpc: Rpc) -> Any:
        key = (rpc.path, rpc.takes_stream, rpc.gives_stream)
        if key not in self.stubs:
            kinds = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
            self.stubs[key] = getattr(self.channel, kinds[2 * rpc.takes_stream + rpc.gives_stream])(rpc.path)
        return self.stubs[key]


@dataclass
class Cluster:
    """Both servers, what is in them, and how they were."""

    attribution: Target
    jobs: Target
    collection: str
    """With images and two indexes, one of which has no files; nobody changes it."""
    scratch: str
    """For uploads and jobs."""
    job: str
    """Has been cancelled."""
    before: dict[str, Vitals] = field(default_factory=dict)
    answers: tuple[bytes, ...] = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("the servers")

    @property
    def targets(self) -> dict[str, Target]:
        return {"attribution": self.attribution, "jobs": self.jobs}

    def good_answers(self) -> tuple[bytes, ...]:
        """What good requests get, byte for byte the same each time."""
        image = Image(encoded=PNG)
        methods = [Method(grad_cam={}), Method(saliency={}), Method(occlusion={"window": 8, "stride": 8})]
        compare = CompareRequest(model="models/small", image=image, variants=[{"method": one} for one in methods])
        found: dict[str, Any] = {"collection": self.collection, "model": "models/small"}
        return (
            self.attribution.ask("FindPatches", FindPatchesRequest(**found, layer="features.3", channel=2, crops=True)),
            self.attribution.ask("FindNeighbors", FindNeighborsRequest(**found, number=3, thumbnails=True)),
            self.attribution.ask("Classify", ClassifyRequest(model="models/small", image=image)),
            self.attribution.ask("Compare", compare),
            self.jobs.ask("GetOperation", GetOperationRequest(name=self.job)),
            self.jobs.ask("GetCollection", GetCollectionRequest(name=self.collection)),
            self.jobs.ask("ListImages", ListImagesRequest(collection=self.collection)),
            self.jobs.ask("GetImage", GetImageRequest(collection=self.collection, number=2)),
        )

    def vitals(self) -> dict[str, Vitals]:
        return {name: Vitals.of(target.pid) for name, target in self.targets.items()}

    def assert_alive(self) -> None:
        for name, target in self.targets.items():
            status = target.process.process.poll()
            assert status is None, f"the {name} server ended with {status}:\n" + "\n".join(target.process.log[-40:])

    def tidy(self, rpc: Rpc, outcome: Outcome) -> None:
        """Take back what a request has made: queues stay short and lists small."""
        if outcome.status != "OK" or not outcome.answers:
            return
        if rpc.response.full_name == "google.longrunning.Operation" and rpc.name not in (
            "GetOperation",
            "WaitOperation",
        ):
            name = Operation.FromString(outcome.answers[0]).name
            self.jobs.ask("CancelOperation", CancelOperationRequest(name=name))
            self.jobs.ask("DeleteOperation", DeleteOperationRequest(name=name))
        elif rpc.name == "CreateCollection":
            made = CreateCollectionResponse.FromString(outcome.answers[0]).collection.name
            self.jobs.ask("DeleteCollection", DeleteCollectionRequest(name=made))


def refusals_in(rpc: Rpc, outcome: Outcome) -> list[Refusal]:
    """Of the call, and of the single requests of a stream."""
    found = [outcome.refusal] if outcome.refusal else []
    if rpc.response.full_name == AttributeStreamResponse.DESCRIPTOR.full_name:
        answers = map(AttributeStreamResponse.FromString, outcome.answers)
        found += [Refusal.of_status(one.error) for one in answers if one.HasField("error")]
    return found


def parsed(rpc: Rpc, data: bytes) -> Message:
    """An answer; google.protobuf.message.DecodeError where it is none."""
    message: Message = GetMessageClass(rpc.response).FromString(data)
    return message


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Servers that know who calls, with few places in their queues and a small limit of pixels."""
    (folder / "catalogue.toml").write_text(CATALOGUE, encoding="utf-8")
    (folder / "callers.toml").write_text(CALLERS, encoding="utf-8")
    limits = {"max_image_pixels": 1_000_000, "max_message_bytes": 4 * 1024 * 1024}
    with ExitStack() as stack:
        url = stack.enter_context(store()).connection_url
        jobs = stack.enter_context(
            jobs_server(url, folder / "artifacts", callers_file=folder / "callers.toml", **limits)
        )
        settings = {"catalogue": folder / "catalogue.toml", "models": "small,attentive", "token": TOKEN, **limits}
        shared = {"redis_url": url, "artifacts_url": f"file://{folder / 'artifacts'}"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
            attribution = stack.enter_context(serving(**settings, **shared))
        explaining, keeping = (stack.enter_context(_target(process)) for process in (attribution, jobs.process))
        collection, scratch = (_collection(keeping, number) for number in range(2))
        index = IndexRecord("abc", "small", "d" * 64, "", 8, ("features.0",), 8, 100, 5000, "nowhere", 5.0)
        CollectionRecords(jobs.store).put_index(collection.removeprefix("collections/"), index)
        request = IndexCollectionRequest(
            collection=collection, model="models/small", layers=INDEXED, patches_per_channel=PATCHES, neurons=True
        )
        keeping.ask("IndexCollection", request)
        carry_out(jobs, folder / "catalogue.toml")
        found = Cluster(explaining, keeping, collection, scratch, _cancelled_job(keeping))
        # A second one, so that the list has a second page.
        _cancelled_job(keeping)
        for _ in range(3):
            found.answers = found.good_answers()
        found.before = found.vitals()
        yield found


@contextmanager
def _target(process: ServerProcess) -> Iterator[Target]:
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 1 << 20)]
    with grpc.insecure_channel(process.address, options=options) as channel:
        yield Target(process, channel, tuple(rpcs_of(channel, AUTHORIZED)))


def _collection(jobs: Target, number: int) -> str:
    data = jobs.ask("CreateCollection", CreateCollectionRequest(display_name=f"pictures {number}"))
    name = CreateCollectionResponse.FromString(data).collection.name
    files = [to_file(noise(20 + place, 16, number)) for place in range(6)]
    jobs.ask("UploadImages", *(UploadImagesRequest(collection=name, content=one, file_name="a") for one in files))
    return name


def _cancelled_job(jobs: Target) -> str:
    data = jobs.ask("VisualizeClass", VisualizeClassRequest(model="models/other", targets=[ClassReference(index=0)]))
    name: str = Operation.FromString(data).name
    jobs.ask("CancelOperation", CancelOperationRequest(name=name))
    return name
