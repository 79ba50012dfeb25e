"""Every call about jobs as a value; see plans.py."""

from collections.abc import Collection, Iterable
from uuid import uuid4

from google.longrunning.operations_pb2 import (  # type: ignore[import-untyped,unused-ignore]
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    Operation,
    WaitOperationRequest,
)
from google.protobuf.duration_pb2 import Duration

from convscope.client.arguments import check_integer, check_names, check_number, check_text, listed
from convscope.client.errors import InvalidArgument
from convscope.client.images import Picture, to_image
from convscope.client.job_info import JobInfo
from convscope.client.job_parse import info_of, to_job_info
from convscope.client.plans import Plan, resource
from convscope.client.targets import ClassName, to_classes
from convscope.v1.image_pb2 import Image
from convscope.v1.job_service_pb2 import JobState, ListJobsRequest, ListJobsResponse
from convscope.v1.synthesis_service_pb2 import DeepDreamRequest, JobOptions, VisualizeClassRequest

STATES = {
    "queued": JobState.JOB_STATE_QUEUED,
    "running": JobState.JOB_STATE_RUNNING,
    "succeeded": JobState.JOB_STATE_SUCCEEDED,
    "failed": JobState.JOB_STATE_FAILED,
    "cancelled": JobState.JOB_STATE_CANCELLED,
}
KINDS = ("visualize_class", "deep_dream")


def visualize_class(
    *,
    model: str,
    target: ClassName | Collection[ClassName],
    steps: int | None,
    step_size: float | None,
    l2: float | None,
    momentum: float | None,
    jitter: int | None,
    blur: float | None,
    normalized: bool | None,
    noise: float | None,
    seed: int | None,
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    request = VisualizeClassRequest(
        model=resource(model),
        targets=to_classes(target, field="targets"),
        steps=_integer("steps", steps),
        step_size=_number("step_size", step_size),
        l2=_number("l2", l2),
        momentum=_number("momentum", momentum),
        jitter=_integer("jitter", jitter),
        blur=_number("blur", blur),
        noise=_number("noise", noise),
        seed=_integer("seed", seed, bits=64),
        options=_options(priority, preview_seconds, request_id),
    )
    if normalized is not None:
        request.normalized = _truth("normalized", normalized)
    return Plan(lambda stubs: stubs.synthesis.VisualizeClass, request, _name_of)


def deep_dream(
    image: Picture,
    *,
    model: str,
    layer: str | None,
    channels: Iterable[int],
    guide: Picture | None,
    steps: int | None,
    octaves: int | None,
    octave_scale: float | None,
    step_size: float | None,
    jitter: int | None,
    size: int | None,
    seed: int | None,
    priority: int | None,
    preview_seconds: float | None,
    request_id: str | None,
) -> Plan[str]:
    """Gives the name of the job. What is None is left to the server's defaults. Raises InvalidArgument."""
    numbers = listed("channels", channels, "several whole numbers")
    request = DeepDreamRequest(
        model=resource(model),
        image=to_image(image),
        layer="" if layer is None else check_text("layer", layer, "UNKNOWN_LAYER"),
        channels=[check_integer(f"channels[{place}]", number) for place, number in enumerate(numbers)],
        guide=None if guide is None else _to_guide(guide),
        steps=_integer("steps", steps),
        octaves=_integer("octaves", octaves),
        octave_scale=_number("octave_scale", octave_scale),
        step_size=_number("step_size", step_size),
        jitter=_integer("jitter", jitter),
        size=_integer("size", size),
        seed=_integer("seed", seed, bits=64),
        options=_options(priority, preview_seconds, request_id),
    )
    return Plan(lambda stubs: stubs.synthesis.DeepDream, request, _name_of)


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
            page_size=_integer("page_size", page_size),
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


def job_resource(name: str) -> str:
    """The job's resource name. Raises InvalidArgument."""
    check_text("name", name, "UNKNOWN_JOB")
    return name if name.startswith("jobs/") or not name else f"jobs/{name}"


def _options(priority: int | None, preview_seconds: float | None, request_id: str | None) -> JobOptions:
    if request_id is not None:
        check_text("request_id", request_id, "OUT_OF_RANGE")
    return JobOptions(
        # gRPC tries a call again that may have been carried out: under one name it is one job.
        request_id=request_id or uuid4().hex,
        priority=_integer("priority", priority),
        preview_seconds=_number("preview_seconds", preview_seconds),
    )


def _to_guide(picture: Picture) -> Image:
    try:
        return to_image(picture)
    except InvalidArgument as error:
        error.field = "guide"
        raise


def _integer(field: str, value: int | None, *, bits: int = 32) -> int | None:
    return None if value is None else check_integer(field, value, bits=bits)


def _truth(field: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidArgument(f"{field} must be True or False, not {value!r}", field=field, reason="OUT_OF_RANGE")


def _number(field: str, value: float | None) -> float | None:
    return None if value is None else check_number(field, value)


def _name_of(operation: Operation) -> str:
    name: str = operation.name
    return name


def _nothing(_: object) -> None:
    return None
