"""A jobs server that a test leads by the hand: real records in memory, faults on demand, a stop in the middle."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any, NoReturn

import grpc
import numpy as np
from google.longrunning import operations_pb2, operations_pb2_grpc  # type: ignore[import-untyped,unused-ignore]
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from PIL import Image

from convscope.client.job_plans import STATES
from convscope.v1 import job_service_pb2_grpc, synthesis_service_pb2_grpc
from convscope.v1.job_service_pb2 import (
    Artifact,
    DownloadArtifactRequest,
    DownloadArtifactResponse,
    Job,
    JobEvent,
    JobPreview,
    JobProgress,
    JobStateChange,
    ListJobsRequest,
    ListJobsResponse,
    WatchJobRequest,
    WatchJobResponse,
)
from convscope.v1.prediction_pb2 import Prediction
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    CreateAdversarialResponse,
    DeepDreamRequest,
    DeepDreamResponse,
    InvertFeaturesRequest,
    InvertFeaturesResponse,
    ListRecipesRequest,
    ListRecipesResponse,
    SynthesizedImage,
    VisualizeChannelRequest,
    VisualizeChannelResponse,
    VisualizeClassRequest,
    VisualizeClassResponse,
)
from convscope.v1.target_pb2 import ClassReference
from tests.clients.recipe_list import list_of_recipes

LABELS = {130: "flamingo", 281: "tabby", 282: "tiger cat", 920: "traffic light, stoplight"}
MIDDLE = "layer2"
ALL = ("conv1", "layer1", "layer2.0", "layer2", "layer3.0", "layer3", "layer4.0", "layer4")
"""What all_layers stands for."""
CHUNK = 1000
HEIGHT, WIDTH = 24, 32


@dataclass
class Record:
    """A job as a server keeps it."""

    job: Job
    wanted: list[SynthesizedImage] = field(default_factory=lambda: [SynthesizedImage()])
    """The pictures, with what they are for."""
    recipe: str = ""
    layer: str = ""
    """Of a dream."""
    original: bool = False
    """Whether there is a picture that it begins with."""
    chain: bool = False
    """Whether pictures on the way are kept."""
    examples: int = 0
    """Natural pictures of each target."""
    events: list[JobEvent] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    response: Message | None = None


class JobStandIn(
    synthesis_service_pb2_grpc.SynthesisServiceServicer,
    job_service_pb2_grpc.JobServiceServicer,
    operations_pb2_grpc.OperationsServicer,  # type: ignore[misc,unused-ignore]
):
    """Its records outlive the servers that it stands behind; `work` is what a worker does with a new job."""

    def __init__(self, work: Callable[[str], None] | None = None) -> None:
        self.records: dict[str, Record] = {}
        self.work = work
        self.requests: list[Any] = []
        """All that begin a job."""
        self.watches: list[int] = []
        """`after` of each WatchJob."""
        self.offsets: list[int] = []
        """Of each DownloadArtifact."""
        self.waits: list[float] = []
        """Seconds of each WaitOperation."""
        self.pages: list[ListJobsRequest] = []
        self.watching = 0
        """Watches that are open."""
        self.lost_answers = 0
        """So many submissions are carried out and answered UNAVAILABLE."""
        self.room = 1000
        """So many jobs are accepted."""
        self.cut = 0
        """Streams are cut after so many responses; 0: never."""
        self.cut_quietly = False
        """As if all had been said."""
        self.fooled = True
        """Whether attacks succeed."""
        self.hasty = False
        """WaitOperation does not wait."""
        self._calls: dict[str, str] = {}
        self._changed = threading.Condition()

    # What a worker does.

    def add(self, kind: str = "visualize_class", *, targets: tuple[int, ...] = (281,), layer: str = "") -> str:
        """A new job, queued; its name."""
        wanted = [SynthesizedImage()]
        if kind == "visualize_class":
            wanted = [of_class(ClassReference(index=index)) for index in targets]
        return self._add(kind, "resnet18_seeded", 5, Record(Job(), wanted, layer=layer))

    def begin(self, name: str, attempt: int = 1, message: str = "") -> None:
        record = self.records[name]
        record.job.attempts = attempt
        record.job.start_time.GetCurrentTime()
        self._change(name, "running", message)

    def step(self, name: str, step: int, total: int = 10) -> None:
        count = len(self.records[name].wanted)
        progress = JobProgress(step=step, total=total, loss=1 / step, scores=[step + 0.5] * count)
        self.records[name].job.progress.CopyFrom(progress)
        self._tell(name, JobEvent(progress=progress))

    def preview(self, name: str, step: int) -> None:
        file = BytesIO()
        Image.new("RGB", (16, 8), (step, 0, 0)).save(file, "JPEG")
        self._tell(name, JobEvent(preview=JobPreview(step=step, jpeg=file.getvalue())))

    def succeed(self, name: str, **more: bytes) -> None:
        """With the files that the contract promises; `more`: others, or other contents, with _ for the last dot."""
        record = self.records[name]
        count = len(record.wanted)
        values = np.random.default_rng(0).random((count, HEIGHT, WIDTH, 3), np.float32)
        pictures = [Image.fromarray((one * 255).round().astype(np.uint8)) for one in values]
        for number, image in enumerate(record.wanted):
            image.artifact, image.score = f"{name}/artifacts/image-{number}.png", 20 - number
        array, gif = BytesIO(), BytesIO()
        np.save(array, values)
        pictures[0].save(gif, "GIF", save_all=True, append_images=pictures[1:])
        record.files = {f"image-{number}.png": png(picture) for number, picture in enumerate(pictures)}
        record.files |= {"values.npy": array.getvalue(), "way.gif": gif.getvalue()}
        record.files["history.json"] = json.dumps({"loss": [1.0, 0.5]}).encode()
        if record.original:
            record.files["original.png"] = png(Image.new("RGB", (WIDTH, HEIGHT), "teal"))
        if record.job.kind == "create_adversarial":
            record.files["perturbation.png"] = png(Image.new("RGB", (WIDTH, HEIGHT), "gray"))
        if record.chain:
            record.files["chain.png"] = png(Image.new("RGB", (2 * WIDTH, count * HEIGHT), "olive"))
        if record.examples:
            record.files["examples.png"] = png(Image.new("RGB", (3 * WIDTH, count * HEIGHT), "navy"))
            for number, image in enumerate(record.wanted):
                image.example_numbers.extend(range(10 * number, 10 * number + record.examples))
        record.files |= {".".join(key.rsplit("_", 1)): data for key, data in more.items()}
        record.response = self._response(name, record)
        self.leave(name)

    def leave(self, name: str) -> None:
        """Succeed with the response and the files that the record has."""
        record = self.records[name]
        record.job.artifacts.extend(
            Artifact(
                name=f"{name}/artifacts/{file}", media_type="application/octet-stream", size_bytes=len(data),
                sha256=sha256(data).hexdigest(),
            )
            for file, data in record.files.items()
        )  # fmt: skip
        self._end(name, "succeeded")

    def fail(self, name: str, code: int = code_pb2.RESOURCE_EXHAUSTED, message: str = "no memory is left") -> None:
        self.records[name].job.error.CopyFrom(status_of(code, message, "OUT_OF_MEMORY"))
        self._end(name, "failed", message)

    def end_cancelled(self, name: str) -> None:
        self.records[name].job.error.CopyFrom(status_of(code_pb2.CANCELLED, "somebody asked for it", ""))
        self._end(name, "cancelled")

    def run(self, name: str, steps: int = 10, pause: float = 0.0, then: str = "succeed") -> None:
        """The whole life of a job."""
        idle = threading.Event()
        self.begin(name)
        for step in range(1, steps + 1):
            idle.wait(pause)
            if self.records[name].job.cancel_requested:
                self.end_cancelled(name)
                return
            self.step(name, step, steps)
            if step == steps // 2:
                self.preview(name, step)
        getattr(self, then)(name)

    # What a server does.

    def VisualizeClass(self, request: VisualizeClassRequest, context: grpc.ServicerContext) -> Any:
        for number, target in enumerate(request.targets):
            if target.WhichOneof("kind") == "label" and target.label not in LABELS.values():
                message = f"unknown class {target.label!r}; nearest: tabby"
                refuse(context, code_pb2.INVALID_ARGUMENT, message, "UNKNOWN_CLASS", f"targets[{number}]")
        record = Record(Job(), [of_class(target) for target in request.targets], request.recipe, **beside(request))
        return self._submit("visualize_class", request, record, context)

    def VisualizeChannel(self, request: VisualizeChannelRequest, context: grpc.ServicerContext) -> Any:
        record = Record(
            Job(), [SynthesizedImage(unit=unit) for unit in request.units], request.recipe, **beside(request)
        )
        return self._submit("visualize_channel", request, record, context)

    def DeepDream(self, request: DeepDreamRequest, context: grpc.ServicerContext) -> Any:
        return self._submit("deep_dream", request, Record(Job(), layer=request.layer), context)

    def InvertFeatures(self, request: InvertFeaturesRequest, context: grpc.ServicerContext) -> Any:
        layers = ALL if request.all_layers else request.layers or [MIDDLE]
        wanted = [SynthesizedImage(layer=layer, distance=0.12) for layer in layers]
        photograph = request.HasField("image")
        for image in wanted if photograph else ():
            image.similarity = 0.8
        record = Record(Job(), wanted, request.recipe, original=photograph)
        return self._submit("invert_features", request, record, context)

    def CreateAdversarial(self, request: CreateAdversarialRequest, context: grpc.ServicerContext) -> Any:
        if not (request.HasField("image") or request.HasField("target")):
            refuse(context, code_pb2.INVALID_ARGUMENT, "noise needs a target", "TARGET_MISSING", "target")
        wanted = of_class(request.target) if request.HasField("target") else SynthesizedImage()
        return self._submit("create_adversarial", request, Record(Job(), [wanted], original=True), context)

    def ListRecipes(self, request: ListRecipesRequest, context: grpc.ServicerContext) -> ListRecipesResponse:
        return list_of_recipes()

    def GetOperation(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._operation(self._find(request.name, context))

    def WaitOperation(self, request: Any, context: grpc.ServicerContext) -> Any:
        record = self._find(request.name, context)
        seconds = request.timeout.ToTimedelta().total_seconds()
        self.waits.append(seconds)
        gone = threading.Event()
        context.add_callback(gone.set)
        until = time.monotonic() + seconds
        while not (self.hasty or gone.is_set() or record.job.HasField("end_time") or time.monotonic() >= until):
            with self._changed:
                self._changed.wait(0.02)
        return self._operation(record)

    def CancelOperation(self, request: Any, context: grpc.ServicerContext) -> Empty:
        record = self._find(request.name, context)
        record.job.cancel_requested = True
        if record.job.state == STATES["queued"]:
            self.end_cancelled(request.name)
        return Empty()

    def DeleteOperation(self, request: Any, context: grpc.ServicerContext) -> Empty:
        self._find(request.name, context)
        with self._changed:
            del self.records[request.name]
            self._changed.notify_all()
        return Empty()

    def ListJobs(self, request: ListJobsRequest, context: grpc.ServicerContext) -> ListJobsResponse:
        copy = ListJobsRequest()
        copy.CopyFrom(request)
        self.pages.append(copy)
        found = [
            record.job
            for record in reversed(self.records.values())
            if (not request.states or record.job.state in request.states)
            and (not request.kinds or record.job.kind in request.kinds)
        ]
        start, size = int(request.page_token or 0), request.page_size or 100
        following = str(start + size) if start + size < len(found) else ""
        return ListJobsResponse(jobs=found[start : start + size], next_page_token=following)

    def WatchJob(self, request: WatchJobRequest, context: grpc.ServicerContext) -> Iterator[WatchJobResponse]:
        record = self._find(request.name, context)
        self.watches.append(request.after)
        gone = threading.Event()
        context.add_callback(gone.set)
        self.watching += 1
        try:
            yield from self._cutting(self._events(request.name, record, request.after, gone, context), context)
        finally:
            self.watching -= 1

    def DownloadArtifact(
        self, request: DownloadArtifactRequest, context: grpc.ServicerContext
    ) -> Iterator[DownloadArtifactResponse]:
        job, _, file = request.name.partition("/artifacts/")
        data = self._find(job, context).files[file]
        self.offsets.append(request.offset)
        chunks = (
            DownloadArtifactResponse(offset=start, data=data[start : start + CHUNK])
            for start in range(request.offset, len(data), CHUNK)
        )
        yield from self._cutting(chunks, context)

    def _cutting(self, responses: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for number, response in enumerate(responses, 1):
            yield response
            if number == self.cut:
                if self.cut_quietly:
                    return
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")

    def _events(
        self, name: str, record: Record, after: int, gone: threading.Event, context: grpc.ServicerContext
    ) -> Iterator[WatchJobResponse]:
        told = after
        while not gone.is_set():
            for event in [one for one in record.events if one.sequence > told]:
                told = event.sequence
                yield WatchJobResponse(event=event)
            with self._changed:
                if name not in self.records:
                    refuse(context, code_pb2.NOT_FOUND, f"there is no job {name}", "UNKNOWN_JOB", "name")
                if record.job.HasField("end_time") and told >= record.job.last_event:
                    return
                self._changed.wait(0.02)

    def _response(self, name: str, record: Record) -> Message:
        sheets = {one: f"{name}/artifacts/{one}.png" for one in ("chain", "examples") if f"{one}.png" in record.files}
        match record.job.kind:
            case "deep_dream":
                return DeepDreamResponse(images=record.wanted, layer=record.layer or MIDDLE)
            case "visualize_channel":
                return VisualizeChannelResponse(images=record.wanted, recipe=record.recipe or "olah2017", **sheets)
            case "invert_features":
                return InvertFeaturesResponse(images=record.wanted, recipe=record.recipe or "mahendran2015")
            case "create_adversarial":
                tabby = Prediction(index=281, label="tabby", score=11, probability=0.81)
                other = Prediction(index=130, label="flamingo", score=13, probability=0.93)
                return CreateAdversarialResponse(
                    images=record.wanted, fooled=self.fooled, before=[tabby, other], linf=8 / 255, l2=2.4112,
                    after=[other, tabby] if self.fooled else [tabby, other], changed=0.75, steps=12,
                    perturbation=f"{name}/artifacts/perturbation.png", magnification=16,
                )  # fmt: skip
            case _:
                return VisualizeClassResponse(images=record.wanted, recipe=record.recipe or "olah2017", **sheets)

    def _submit(self, kind: str, request: Any, record: Record, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        name = self._calls.get(request.options.request_id)
        if name is None:
            if len(self.records) >= self.room:
                refuse(context, code_pb2.RESOURCE_EXHAUSTED, "too many jobs wait", "TOO_MANY_JOBS", "")
            priority = request.options.priority if request.options.HasField("priority") else 5
            name = self._add(kind, getattr(request, "model", "").removeprefix("models/"), priority, record)
            self._calls[request.options.request_id] = name
            if self.work is not None:
                threading.Thread(target=self.work, args=(name,), daemon=True).start()
        if self.lost_answers:
            self.lost_answers -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return self._operation(self.records[name])

    def _add(self, kind: str, model: str, priority: int, record: Record) -> str:
        name = f"jobs/{len(self.records) + 1:04}"
        record.job = Job(name=name, kind=kind, model=f"models/{model}" if model else "", priority=priority)
        record.job.create_time.GetCurrentTime()
        self.records[name] = record
        self._change(name, "queued")
        return name

    def _change(self, name: str, state: str, message: str = "") -> None:
        job = self.records[name].job
        job.state = STATES[state]
        change = JobStateChange(state=job.state, attempt=job.attempts, message=message)
        self._tell(name, JobEvent(state_change=change))

    def _end(self, name: str, state: str, message: str = "") -> None:
        job = self.records[name].job
        with self._changed:
            self._change(name, state, message)
            job.end_time.GetCurrentTime()
            job.expire_time.FromSeconds(job.end_time.seconds + 3600)
            self._changed.notify_all()

    def _tell(self, name: str, event: JobEvent) -> None:
        record = self.records[name]
        with self._changed:
            event.sequence = record.job.last_event + 1
            event.time.GetCurrentTime()
            record.events.append(event)
            record.job.last_event = event.sequence
            self._changed.notify_all()

    def _find(self, name: str, context: grpc.ServicerContext) -> Record:
        if name not in self.records:
            refuse(context, code_pb2.NOT_FOUND, f"there is no job {name}", "UNKNOWN_JOB", "name")
        return self.records[name]

    def _operation(self, record: Record) -> Any:
        operation = operations_pb2.Operation(name=record.job.name, done=record.job.HasField("end_time"))
        operation.metadata.Pack(record.job)
        if operation.done and record.response is not None:
            operation.response.Pack(record.response)
        elif operation.done:
            operation.error.CopyFrom(record.job.error)
        return operation


class JobServer:
    """Serves a stand-in on one port; may be stopped and started again."""

    def __init__(self, stand_in: JobStandIn) -> None:
        self.jobs = stand_in
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(16)
        self._server = grpc.server(self._pool)
        self.add_services(self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port(self.address)}"
        self._server.start()

    def add_services(self, server: grpc.Server) -> None:
        synthesis_service_pb2_grpc.add_SynthesisServiceServicer_to_server(self.jobs, server)
        job_service_pb2_grpc.add_JobServiceServicer_to_server(self.jobs, server)
        operations_pb2_grpc.add_OperationsServicer_to_server(self.jobs, server)

    def stop(self) -> None:
        """At once: what is under way is lost. Harmless when called twice."""
        self._server.stop(grace=None).wait()
        self._pool.shutdown()


@contextmanager
def serving_jobs(stand_in: JobStandIn | None = None) -> Iterator[JobServer]:
    """On a free port."""
    server = JobServer(stand_in or JobStandIn())
    try:
        yield server
    finally:
        server.stop()


def beside(request: VisualizeClassRequest | VisualizeChannelRequest) -> dict[str, Any]:
    """What a record says of a request's sheets."""
    count = request.examples.count if request.examples.HasField("count") else 4
    return {"chain": request.parameters.HasField("chain_every"), "examples": count * request.HasField("examples")}


def of_class(target: ClassReference) -> SynthesizedImage:
    return SynthesizedImage(target=target, label=label_of(target), probability=0.98)


def label_of(target: ClassReference) -> str:
    return target.label if target.WhichOneof("kind") == "label" else LABELS.get(target.index, str(target.index))


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def status_of(code: int, message: str, reason: str, fault: str = "") -> status_pb2.Status:
    """`fault`: the field to blame."""
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="convscope", metadata={"field": fault} if fault else {})
    status.details.add().Pack(info)
    return status


def refuse(context: grpc.ServicerContext, code: int, message: str, reason: str, fault: str) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(status_of(code, message, reason, fault)))
    raise AssertionError("abort raises")
