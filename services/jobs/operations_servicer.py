"""google.longrunning.Operations over jobs: any client of long-running operations can use it."""

import math
import threading
import time
from contextlib import suppress

import grpc
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    Operation,
    WaitOperationRequest,
)
from google.longrunning.operations_pb2_grpc import OperationsServicer as Servicer
from google.protobuf.empty_pb2 import Empty

from convscope.engine.errors import InvalidInput
from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.services.common.errors import ServerStopping
from convscope.services.common.resource_names import job_id
from convscope.services.jobs.answers import to_operation
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.listing import list_jobs


class WaitedEnough(Exception):
    """The time that the caller wanted to wait is over."""


class OperationsServicer(Servicer):  # type: ignore[misc]
    """Get, List, Wait, Cancel, Delete."""

    def __init__(self, desk: Desk, waits: Admission, stopping: threading.Event) -> None:
        """stopping: set when those who wait are to go elsewhere."""
        self._desk = desk
        self._waits = waits
        self._stopping = stopping

    def GetOperation(self, request: GetOperationRequest, context: grpc.ServicerContext) -> Operation:
        return to_operation(self._desk.find(job_id(request.name)))

    def ListOperations(self, request: ListOperationsRequest, context: grpc.ServicerContext) -> ListOperationsResponse:
        if request.filter:
            message = "operations cannot be filtered; JobService.ListJobs filters by state and kind"
            raise InvalidInput(message, field="filter", reason="FILTER_UNSUPPORTED")
        if request.name not in ("", "jobs", "operations"):
            raise InvalidInput("name is the collection: jobs, or empty", field="name", reason="NAME_INVALID")
        jobs, token = list_jobs(self._desk.records, request.page_size, request.page_token)
        return ListOperationsResponse(operations=map(to_operation, jobs), next_page_token=token)

    def WaitOperation(self, request: WaitOperationRequest, context: grpc.ServicerContext) -> Operation:
        call, id = Call.of(context), job_id(request.name)
        seconds = request.timeout.seconds + request.timeout.nanos / 1e9 if request.HasField("timeout") else math.inf
        if seconds < 0:
            raise InvalidInput(f"timeout must be from 0, not {seconds} s", field="timeout", reason="OUT_OF_RANGE")
        until = time.monotonic() + seconds
        with self._waits.place():
            job = self._desk.find(id)

            def going_on() -> None:
                call.check()
                if self._stopping.is_set():
                    raise ServerStopping("the server is stopping; wait on at another one")
                if time.monotonic() >= until:
                    raise WaitedEnough

            with suppress(WaitedEnough):
                for _ in self._desk.events(id, job.last_event, going_on):
                    going_on()
        return to_operation(self._desk.find(id))

    def CancelOperation(self, request: CancelOperationRequest, context: grpc.ServicerContext) -> Empty:
        self._desk.cancel(job_id(request.name))
        return Empty()

    def DeleteOperation(self, request: DeleteOperationRequest, context: grpc.ServicerContext) -> Empty:
        self._desk.delete(job_id(request.name))
        return Empty()
