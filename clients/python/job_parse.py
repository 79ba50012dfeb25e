"""Messages about jobs to what calls return."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped,unused-ignore]
from google.protobuf.timestamp_pb2 import Timestamp

from convscope.client.adversarial import Adversarial
from convscope.client.errors import Cancelled, FailedPrecondition, ServerFault, from_status
from convscope.client.job_events import Event, Preview, Progress, StateChange
from convscope.client.job_info import COLLECTION_KINDS, Artifact, JobInfo
from convscope.client.made_picture import MadePicture
from convscope.client.parse import to_predictions
from convscope.client.synthesis import Synthesis, to_picture
from convscope.client.target_parse import to_class_name, to_unit
from convscope.v1 import job_service_pb2
from convscope.v1.job_service_pb2 import Job, JobEvent, JobState
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialResponse,
    DeepDreamResponse,
    InvertFeaturesResponse,
    SynthesizedImage,
    VisualizeChannelResponse,
    VisualizeClassResponse,
)


def to_event(message: JobEvent) -> Event | None:
    """None for a kind that only newer servers know. Raises ServerFault for a preview that is no picture."""
    number, time = message.sequence, to_time(message.time)
    match message.WhichOneof("kind"):
        case "state_change":
            change = message.state_change
            return StateChange(number, time, to_state(change.state), change.attempt, change.message)
        case "progress":
            done = message.progress
            return Progress(number, time, done.step, done.total, done.loss, tuple(done.scores))
        case "preview":
            return Preview(number, time, message.preview.step, to_picture(message.preview.jpeg, "the preview"))
        case _:
            return None


def to_state(state: JobState) -> str:
    """As users read it: JOB_STATE_QUEUED is queued."""
    return JobState.Name(state).removeprefix("JOB_STATE_").lower()


def to_job_info(message: Job) -> JobInfo:
    error = from_status(message.error) if message.HasField("error") else None

    def time(field: str) -> datetime | None:
        return to_time(getattr(message, field)) if message.HasField(field) else None

    return JobInfo(
        name=message.name,
        kind=message.kind,
        model=message.model.removeprefix("models/"),
        state=to_state(message.state),
        priority=message.priority,
        attempts=message.attempts,
        cancel_requested=message.cancel_requested,
        step=message.progress.step,
        total=message.progress.total,
        loss=message.progress.loss if message.HasField("progress") else None,
        scores=tuple(message.progress.scores),
        error=error.message if error else "",
        reason=error.reason if error else "",
        created=time("create_time"),
        started=time("start_time"),
        ended=time("end_time"),
        expires=time("expire_time"),
        artifacts=tuple(_to_artifact(one) for one in message.artifacts),
        last_event=message.last_event,
        correlation_id=message.correlation_id,
    )


def info_of(operation: Operation) -> JobInfo:
    """The operation's metadata. Raises ServerFault where it is no Job."""
    job = Job()
    if not operation.metadata.Unpack(job):
        raise ServerFault(f"the operation {operation.name} tells of no job")
    return to_job_info(job)


def success_of(operation: Operation) -> JobInfo:
    """How the job of an operation that is done stands. Raises the job's own error where it failed, Cancelled where it
    was cancelled."""
    info = info_of(operation)
    if info.state == "cancelled":
        raise Cancelled(f"{info.name} was cancelled", reason="JOB_CANCELLED", status="CANCELLED")
    if operation.HasField("error"):
        raise from_status(operation.error)
    return info


def to_synthesis(operation: Operation) -> Synthesis:
    """What an operation that is done gave, without the files. Raises as success_of(), and FailedPrecondition for work
    on a collection."""
    info = success_of(operation)
    if info.kind in COLLECTION_KINDS:
        raise other_kind(info, "makes no pictures; Client.collection_job() gives what it has found")
    for response in (VisualizeClassResponse(), VisualizeChannelResponse(), InvertFeaturesResponse()):
        if operation.response.Unpack(response):
            return Synthesis(info, _to_made(response.images), recipe=response.recipe)
    dream, adversarial = DeepDreamResponse(), CreateAdversarialResponse()
    if operation.response.Unpack(dream):
        return Synthesis(info, _to_made(dream.images), layer=dream.layer)
    if operation.response.Unpack(adversarial):
        return _to_adversarial(info, adversarial)
    raise unknown_response(operation)


def other_kind(info: JobInfo, what: str) -> FailedPrecondition:
    """A job is asked for what it does not give; `what` it is instead, in words."""
    return FailedPrecondition(f"{info.name} is {info.kind}, which {what}", field="name", reason="JOB_OF_ANOTHER_KIND")


def unknown_response(operation: Operation) -> ServerFault:
    """An operation gave what this client does not know."""
    return ServerFault(f"the operation {operation.name} is done and gave {operation.response.type_url or 'nothing'}")


def _to_adversarial(info: JobInfo, response: CreateAdversarialResponse) -> Adversarial:
    return Adversarial(
        info,
        _to_made(response.images),
        fooled=response.fooled,
        before=to_predictions(response.before),
        after=to_predictions(response.after),
        linf=response.linf,
        l2=response.l2,
        changed=response.changed,
        steps=response.steps,
        magnification=response.magnification,
    )


def _to_made(images: Iterable[SynthesizedImage]) -> tuple[MadePicture, ...]:
    return tuple(
        MadePicture(
            name=short_name(one.artifact),
            target=to_class_name(one.target) if one.HasField("target") else None,
            label=one.label,
            score=one.score,
            probability=one.probability,
            unit=to_unit(one.unit) if one.HasField("unit") else None,
            layer=one.layer,
            distance=one.distance if one.HasField("distance") else None,
            similarity=one.similarity if one.HasField("similarity") else None,
            example_numbers=tuple(one.example_numbers),
        )
        for one in images
    )


def _to_artifact(message: job_service_pb2.Artifact) -> Artifact:
    return Artifact(short_name(message.name), message.media_type, message.size_bytes, message.sha256)


def short_name(name: str) -> str:
    return name.rpartition("/")[2]


def to_time(message: Timestamp) -> datetime:
    return message.ToDatetime(UTC)
