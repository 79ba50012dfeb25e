"""Records to messages of the contract."""

from collections.abc import Mapping

from google.longrunning.operations_pb2 import Operation
from google.rpc import code_pb2, error_details_pb2, status_pb2

from convscope.services.common.errors import DOMAIN
from convscope.services.common.jobs import job as records
from convscope.services.common.jobs.events import Event, StateChange
from convscope.services.common.jobs.job import Failure, State
from convscope.services.common.resource_names import JOBS, MODELS, artifact_resource
from convscope.services.jobs.responses import RESPONSES
from convscope.services.jobs.times import to_time
from convscope.v1 import job_service_pb2
from convscope.v1.job_service_pb2 import Artifact, Job, JobEvent, JobPreview, JobProgress, JobState, JobStateChange

STATES: Mapping[State, JobState] = {
    State.QUEUED: job_service_pb2.JOB_STATE_QUEUED,
    State.RUNNING: job_service_pb2.JOB_STATE_RUNNING,
    State.SUCCEEDED: job_service_pb2.JOB_STATE_SUCCEEDED,
    State.FAILED: job_service_pb2.JOB_STATE_FAILED,
    State.CANCELLED: job_service_pb2.JOB_STATE_CANCELLED,
}


def to_operation(job: records.Job) -> Operation:
    """As AIP-151 has it: done with a response or an error; a cancelled one has the error CANCELLED."""
    operation = Operation(name=JOBS + job.id, done=job.state.ended)
    operation.metadata.Pack(to_job(job))
    if job.state is State.SUCCEEDED:
        operation.response.Pack(RESPONSES[job.kind](job))
    elif job.state is State.CANCELLED:
        operation.error.CopyFrom(to_failure(Failure("CANCELLED", "JOB_CANCELLED", "the job was cancelled")))
    elif job.state is State.FAILED:
        operation.error.CopyFrom(to_failure(job.failure or Failure("INTERNAL", "INTERNAL", "no reason was recorded")))
    return operation


def to_job(job: records.Job) -> Job:
    return Job(
        name=JOBS + job.id,
        kind=job.kind,
        model=MODELS + job.model if job.model else "",
        state=STATES[job.state],
        priority=job.priority,
        attempts=job.attempts,
        cancel_requested=job.cancel_requested,
        progress=to_progress(job.progress) if job.progress else None,
        error=to_failure(job.failure) if job.failure else None,
        artifacts=[_to_artifact(job.id, file) for file in job.files],
        create_time=to_time(job.created),
        start_time=to_time(job.started),
        end_time=to_time(job.ended),
        expire_time=to_time(job.expires),
        last_event=job.last_event,
        correlation_id=job.correlation_id,
    )


def to_event(event: Event) -> JobEvent:
    message = JobEvent(sequence=event.number, time=to_time(event.time))
    match event.what:
        case StateChange(state, attempt, why):
            message.state_change.CopyFrom(JobStateChange(state=STATES[state], attempt=attempt, message=why))
        case records.Progress():
            message.progress.CopyFrom(to_progress(event.what))
        case preview:
            message.preview.CopyFrom(JobPreview(step=preview.step, jpeg=preview.jpeg))
    return message


def to_progress(progress: records.Progress) -> JobProgress:
    return JobProgress(step=progress.step, total=progress.total, loss=progress.loss, scores=progress.scores)


def to_failure(failure: Failure) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN)
    if failure.field:
        info.metadata["field"] = failure.field
    status = status_pb2.Status(code=code_pb2.Code.Value(failure.status), message=failure.message)
    status.details.add().Pack(info)
    return status


def _to_artifact(id: str, file: records.File) -> Artifact:
    return Artifact(
        name=artifact_resource(id, file.name), media_type=file.media_type, size_bytes=file.size, sha256=file.sha256
    )
