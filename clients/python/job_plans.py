"""Every call about jobs as a value; see plans.py. Those that begin one are in synthesis_plans.py,
collection_plans.py and evaluation_plans.py."""

from collections.abc import Iterable
from uuid import uuid4

from google.longrunning.operations_pb2 import (  # type: ignore[import-untyped,unused-ignore]
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    Operation,
    WaitOperationRequest,
)
from google.protobuf.duration_pb2 import Duration

from convscope.client.arguments import check_finite, check_integer, check_names, check_text
from convscope.client.job_info import COLLECTION_KINDS, SYNTHESIS_KINDS, JobInfo
from convscope.client.job_parse import info_of, to_job_info
from convscope.client.plans import Plan
from convscope.v1.job_service_pb2 import JobState, ListJobsRequest, ListJobsResponse
from convscope.v1.synthesis_service_pb2 import JobOptions

STATES = {
    "queued": JobState.JOB_STATE_QUEUED,
    "running": JobState.JOB_STATE_RUNNING,
    "succeeded": JobState.JOB_STATE_SUCCEEDED,
    "failed": JobState.JOB_STATE_FAILED,
    "cancelled": JobState.JOB_STATE_CANCELLED,
}
KINDS = (*SYNTHESIS_KINDS, *COLLECTION_KINDS)


def to_options(priority: int | None, request_id: str | None, *, preview_seconds: float | None = None) -> JobOptions:
    """Of a call that begins a job. Raises InvalidArgument."""
    return JobOptions(
        request_id=call_name(request_id),
        priority=None if priority is None else check_integer("priority", priority),
        preview_seconds=None if preview_seconds is None else check_finite("preview_seconds", preview_seconds),
    )


def call_name(request_id: str | None) -> str:
    """A name for a call that has none: gRPC tries a call again that may have been carried out, and under one name it is
    one. Raises InvalidArgument."""
    if request_id is not None:
        check_text("request_id", request_id, "OUT_OF_RANGE")
    return request_id or uuid4().hex


def job_of(operation: Operation) -> str:
    """The name of the job that a call began."""
    name: str = operation.name
    return name


def get_job(name: str) -> Plan[JobInfo]:
    return Plan(lambda stubs: stubs.operations.GetOperation, GetOperationRequest(name=job_resource(name)), info_of)


def wait_for_job(name: str, seconds: float) -> Plan[Operation]:
    """Answers when the job has ended, and after so many seconds at the latest."""

    def parse(operation: Operation) -> Operation:
        return operation

    timeout = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
    request = WaitOperationRequest(name=job_resource(name), timeout=timeout)
    return Plan(lambda stubs: stubs.operations.WaitOperation, request, parse)


def cancel_job(name: str) -> Plan[None]:
    request = CancelOperationRequest(name=job_resource(name))
    return Plan(lambda stubs: stubs.operations.CancelOperation, request, _nothing)


def delete_job(name: str) -> Plan[None]:
    request = DeleteOperationRequest(name=job_resource(name))
    return Plan(lambda stubs: stubs.operations.DeleteOperation, request, _nothing)


class JobPages:
    """The list of jobs, page by page."""

    def __init__(self, states: Iterable[str], kinds: Iterable[str], page_size: int | None) -> None:
        """One state or kind, or several; none: all. Raises InvalidArgument."""
        self._request = ListJobsRequest(
            page_size=None if page_size is None else check_integer("page_size", page_size),
            states=[STATES[state] for state in check_names("states", states, STATES, "UNKNOWN_STATE")],
            kinds=check_names("kinds", kinds, KINDS, "UNKNOWN_KIND"),
        )
        self.over = False
        """Whether the last page has come."""

    def plan(self) -> Plan[list[JobInfo]]:
        """The next page."""
        return Plan(lambda stubs: stubs.jobs.ListJobs, self._request, self._take)

    def _take(self, response: ListJobsResponse) -> list[JobInfo]:
        self._request.page_token = response.next_page_token
        self.over = not response.next_page_token
        return [to_job_info(job) for job in response.jobs]


def job_resource(name: str, *, field: str = "name") -> str:
    """The job's resource name. Raises InvalidArgument."""
    check_text(field, name, "UNKNOWN_JOB")
    return name if name.startswith("jobs/") or not name else f"jobs/{name}"


def _nothing(_: object) -> None:
    return None
