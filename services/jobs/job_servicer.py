"""JobService: lists, watches and reads jobs."""

import threading
from collections.abc import Iterator

import grpc

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.services.common.errors import ServerStopping
from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.resource_names import artifact_name, job_id
from convscope.services.jobs.answers import STATES, to_event, to_job
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.listing import list_jobs
from convscope.v1.job_service_pb2 import (
    DownloadArtifactRequest,
    DownloadArtifactResponse,
    ListJobsRequest,
    ListJobsResponse,
    WatchJobRequest,
    WatchJobResponse,
)
from convscope.v1.job_service_pb2_grpc import JobServiceServicer


class JobServicer(JobServiceServicer):
    """A watch or a download holds a place for as long as it lasts."""

    def __init__(self, desk: Desk, watches: Admission, stopping: threading.Event) -> None:
        """stopping: set when watchers are to go elsewhere."""
        self._desk = desk
        self._watches = watches
        self._stopping = stopping

    def ListJobs(self, request: ListJobsRequest, context: grpc.ServicerContext) -> ListJobsResponse:
        known = {message: state for state, message in STATES.items()}
        for place, state in enumerate(request.states):
            if state not in known:
                message = f"{state} is no state of a job"
                raise InvalidInput(message, field=f"states[{place}]", reason="UNKNOWN_STATE")
        for place, kind in enumerate(request.kinds):
            if kind not in KINDS:
                raise UnknownName("kind", kind, KINDS, field=f"kinds[{place}]")
        states = {known[state] for state in request.states}
        jobs, token = list_jobs(
            self._desk.records, request.page_size, request.page_token, states, frozenset(request.kinds)
        )
        return ListJobsResponse(jobs=map(to_job, jobs), next_page_token=token)

    def WatchJob(self, request: WatchJobRequest, context: grpc.ServicerContext) -> Iterator[WatchJobResponse]:
        call, id = Call.of(context), job_id(request.name)
        if request.after < 0:
            message = f"after must be from 0, not {request.after}"
            raise InvalidInput(message, field="after", reason="OUT_OF_RANGE")

        def going_on() -> None:
            call.check()
            if self._stopping.is_set():
                raise ServerStopping("the server is stopping; watch on at another one")

        with self._watches.place():
            for event in self._desk.events(id, request.after, going_on):
                yield WatchJobResponse(event=to_event(event))

    def DownloadArtifact(
        self, request: DownloadArtifactRequest, context: grpc.ServicerContext
    ) -> Iterator[DownloadArtifactResponse]:
        call, (id, file) = Call.of(context), artifact_name(request.name)
        with self._watches.place():
            for offset, data in self._desk.read(id, file, request.offset):
                call.check()
                yield DownloadArtifactResponse(offset=offset, data=data)
