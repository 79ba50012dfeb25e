"""Where jobs are handed in, looked up, ended and deleted."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import redis
import structlog
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind

from convscope.engine.errors import InvalidInput
from convscope.services.common.access.current import CALLER, may_see
from convscope.services.common.access.step_quota import StepQuota
from convscope.services.common.errors import ArtifactsAway, JobNotEnded, JobNotFound, StoreAway
from convscope.services.common.jobs.artifacts import Artifacts, folder_of
from convscope.services.common.jobs.events import Event, follow
from convscope.services.common.jobs.job import Job, NewJob
from convscope.services.common.jobs.messages import Messages
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.resource_names import JOBS
from convscope.services.common.store import reached
from convscope.services.common.telemetry.correlation import current_correlation
from convscope.services.common.telemetry.traces import carried, span
from convscope.services.jobs.caretaker import Caretaker
from convscope.services.jobs.orders import Order
from convscope.services.jobs.settings import JobsSettings

log = structlog.get_logger()
INPUTS = "inputs"


class Desk:
    """The jobs of a cluster, as callers may deal with them. Every method raises StoreAway where the store is."""

    def __init__(
        self,
        records: JobRecords,
        artifacts: Artifacts,
        messages: Messages,
        caretaker: Caretaker,
        *,
        patient: redis.Redis,
        steps: StepQuota,
        limits: JobsSettings,
    ) -> None:
        """patient: a store that waits for what has not happened yet."""
        self._steps = steps
        self.records = records
        self._artifacts = artifacts
        self._messages = messages
        self._patient = patient
        self._caretaker = caretaker
        self._limits = limits

    def hand_in(self, order: Order, caller: str) -> Job:
        """Queue a job, or find the one that this call made before.

        Raises QuotaExceeded, StepsUsedUp, RequestIdReused, ArtifactsAway, and nothing is queued; and StoreAway: whether
        it is queued is found out by calling again.
        """
        known = CALLER.get()
        if known is None or known.steps_per_day is None or self.knows(order, caller):
            return self._queue(order, caller)
        with reached(), self._steps.spent(known.name, order.steps, known.steps_per_day):
            return self._queue(order, caller)

    def _queue(self, order: Order, caller: str) -> Job:
        id = uuid.uuid4().hex
        self._keep_inputs(id, order)
        try:
            with reached(), span("queue", SpanKind.PRODUCER, job=id, kind=order.kind):
                accepted = self.records.accept(
                    NewJob(
                        id=id,
                        kind=order.kind,
                        model=order.model,
                        spec=order.spec,
                        caller=caller,
                        priority=order.priority,
                        request_id=order.request_id,
                        max_attempts=self._limits.max_attempts,
                        correlation_id=current_correlation(),
                        trace=carried(),
                    ),
                    limit=self._limits.max_queued_jobs,
                    caller_limit=self._caller_limit(),
                    retention=self._limits.retention,
                )
        except StoreAway:
            # It may have accepted the job and not come to say so; the job then needs its files.
            self._caretaker.doubt(id)
            raise
        except BaseException:
            self._drop_inputs(id, order)
            raise
        log.info("accepted", job=accepted, kind=order.kind, model=order.model, again=accepted != id)
        if accepted != id:
            self._drop_inputs(id, order)
            return self.find(accepted)
        try:
            self._messages.send(order.kind)
        except (OSError, OperationalError) as error:
            # The job is accepted; the caretaker sends the message when it finds it missing.
            log.warning("no worker was woken", job=id, error=str(error))
        return self.find(id)

    def _caller_limit(self) -> int:
        known = CALLER.get()
        limit = self._limits.max_queued_jobs_per_caller
        return limit if known is None or known.queued_jobs is None else known.queued_jobs

    def _keep_inputs(self, id: str, order: Order) -> None:
        try:
            for name, data in order.inputs.items():
                self._artifacts.put(f"{folder_of(id)}/{INPUTS}/{name}", data)
        except OSError as error:
            self._drop_inputs(id, order)
            raise ArtifactsAway(f"the picture cannot be kept for the worker: {error}") from error

    def _drop_inputs(self, id: str, order: Order) -> None:
        if order.inputs:
            with suppress(OSError):
                self._artifacts.remove(folder_of(id))

    def knows(self, order: Order, caller: str) -> bool:
        """Whether this very call, by its name, has made a job before."""
        with reached():
            return bool(order.request_id) and self.records.named(caller, order.request_id)

    def find(self, id: str) -> Job:
        """Raises JobNotFound, also for a job of somebody else."""
        with reached():
            job = self.records.find(id)
        if job is None or not may_see(job.caller):
            raise JobNotFound(JOBS + id)
        return job

    def cancel(self, id: str) -> None:
        """Ask for a job's end; of one that has ended nothing changes. Raises JobNotFound."""
        self.find(id)
        with reached():
            if self.records.cancel(id) is None:
                raise JobNotFound(JOBS + id)

    def delete(self, id: str) -> None:
        """Forget a job that has ended, and its files. Raises JobNotFound, JobNotEnded, ArtifactsAway."""
        job = self.find(id)
        if not job.state.ended:
            raise JobNotEnded(f"{JOBS}{id} is {job.state}; cancel it first", field="name")
        try:
            # Before the record: what fails here can be tried again.
            self._artifacts.remove(folder_of(id))
        except OSError as error:
            raise ArtifactsAway(f"the files of {JOBS}{id} cannot be removed: {error}") from error
        with reached():
            self.records.delete(id)

    def events(self, id: str, after: int, going_on: Callable[[], None]) -> Iterator[Event]:
        """What happens to a job from a number on, until its end. Raises JobNotFound, and what `going_on` raises."""
        self.find(id)
        with reached():
            yield from follow(self._patient, id, after, going_on)

    def read(self, id: str, file: str, offset: int) -> Iterator[tuple[int, bytes]]:
        """The bytes of an artifact, with where each piece begins. Raises JobNotFound, InvalidInput for an offset beyond
        its end, ArtifactsAway."""
        found = next((one for one in self.find(id).files if one.name == file), None)
        if found is None:
            raise JobNotFound(f"{JOBS}{id}/artifacts/{file}", artifact=True)
        if not 0 <= offset <= found.size:
            message = f"offset must be 0 to {found.size}, the length of {file}, not {offset}"
            raise InvalidInput(message, field="offset", reason="OUT_OF_RANGE")
        try:
            yield from self._artifacts.chunks(found.path, offset)
        except FileNotFoundError:
            raise JobNotFound(f"{JOBS}{id}/artifacts/{file}", artifact=True) from None
        except OSError as error:
            raise ArtifactsAway(f"{file} cannot be read: {error}") from error
