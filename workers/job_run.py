"""One job, from its lease to its end."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import redis
import structlog
from celery.exceptions import SoftTimeLimitExceeded
from opentelemetry.trace import SpanKind

from convscope.engine.errors import ConvscopeError
from convscope.engine.memory import out_of_memory
from convscope.engine.models.model import Model
from convscope.services.common.jobs.artifacts import Artifacts, folder_of
from convscope.services.common.jobs.job import Failure, File, Lease
from convscope.services.common.jobs.records import JobRecords, Verdict
from convscope.services.common.telemetry.correlation import begin_correlation, end_correlation
from convscope.services.common.telemetry.traces import span
from convscope.workers.blamed_field import blamed_field
from convscope.workers.flag import Flag
from convscope.workers.kinds import WORK
from convscope.workers.lease_keeper import LeaseKeeper
from convscope.workers.metrics import (
    ATTEMPT_SECONDS,
    ATTEMPTS,
    CHECKPOINT_SECONDS,
    CHECKPOINTED,
    RUNNING,
    STEPS,
    STORE_AWAY,
)
from convscope.workers.settings import WorkerSettings
from convscope.workers.warm_models import WarmModels
from convscope.workers.work import Bench, Work

log = structlog.get_logger()
T = TypeVar("T")
# Of a GPU that makes a thousand steps a second nobody wants to hear of each.
TOLD_SECONDS = 0.05
RETRY_SECONDS = 0.5
# From one checkpoint to the next, in the time that the last one took: networks that learn are large.
PAUSE = 20
# Of the time that an attempt may take.
TURN = 0.9


class Lost(Exception):
    """The job is somebody else's by now, or over."""


class Cancelled(Exception):
    """Somebody has asked for the end."""


class HandedOn(Exception):
    """Another worker, or this one later, goes on; says why."""


class JobRun:
    """Carries out one job under its lease."""

    def __init__(
        self,
        lease: Lease,
        *,
        records: JobRecords,
        artifacts: Artifacts,
        store: redis.Redis,
        models: WarmModels,
        leaving: Flag,
        settings: WorkerSettings,
    ) -> None:
        self._lease = lease
        self._records = records
        self._artifacts = artifacts
        self._store = store
        self._models = models
        self._leaving = leaving
        self._settings = settings
        self._keeper = LeaseKeeper(records, lease, settings.lease_seconds)
        self._folder = folder_of(lease.id)
        self._told = self._previewed = 0.0
        self._kept = 0.0
        self._begun = time.monotonic()
        self._pause = settings.checkpoint_seconds

    def __call__(self) -> None:
        """Whatever happens, the record says it in the end, or the lease runs out; nothing is raised."""
        lease, started = self._lease, time.monotonic()
        begin_correlation(lease.correlation_id, job=lease.id, attempt=lease.attempt)
        attributes = {"job": lease.id, "attempt": lease.attempt, "model": lease.model}
        with (
            span(f"carry out {lease.kind}", SpanKind.CONSUMER, within=lease.trace, **attributes) as whole,
            self._keeper,
        ):
            log.info("begins", kind=lease.kind, model=lease.model, at=lease.checkpoint or "the beginning")
            with RUNNING.labels(lease.kind).track_inprogress():
                self._safe()
                outcome = self._carry_out()
                CHECKPOINTED.set(0)
            whole.set_attribute("convscope.outcome", outcome)
            seconds = time.monotonic() - started
            ATTEMPTS.labels(lease.kind, outcome).inc()
            ATTEMPT_SECONDS.labels(lease.kind).observe(seconds)
            log.info("finished", outcome=outcome, seconds=round(seconds, 2))
        end_correlation()

    def _carry_out(self) -> str:
        lease = self._lease
        try:
            with span("begin"):
                begun = self._begin()
            with closing(begun) as work:
                self._telling(work)
                with span("steps"):
                    self._go(work)
                with span("leave"):
                    result, files = work.leave(self._keep)
            self._listen()
            outcome = self._insist(lambda: self._records.succeed(lease, result, files))
        except Lost:
            outcome = None
        except Cancelled:
            outcome = self._insist(lambda: self._records.stop(lease))
        except HandedOn as why:
            reason = str(why)
            outcome = self._insist(lambda: self._records.release(lease, reason))
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # No fault of the work, and no attempt at it: it goes on when the store is back.
            _tell_store_away(error)
            outcome = self._insist(lambda: self._records.release(lease, "the store was away"))
        except Exception as error:
            failure, again = _failure(error, lease, self._settings)
            if again:
                log.exception("failed", again=again)
            outcome = self._insist(lambda: self._records.fail(lease, failure, again=again))
        return outcome or "lost"

    def _begin(self) -> Work:
        bench = Bench(
            self._lease,
            self._artifacts,
            self._model,
            self._store,
            threads=self._settings.threads_each,
            import_roots=self._settings.import_roots,
            max_pixels=self._settings.max_image_pixels,
        )
        self._listen()
        return WORK[self._lease.kind](bench)

    def _model(self, name: str) -> Model:
        with span("load model", model=name):
            model = self._models.get(name)
        self._listen()
        return model

    def _go(self, work: Work) -> None:
        counted = work.progress().step
        while not work.over:
            self._listen()
            if self._leaving or self._turn_is_over(work):
                self._checkpoint(work)
                raise HandedOn("its worker is leaving" if self._leaving else "its turn is over")
            work.advance()
            step = work.progress().step
            STEPS.labels(self._lease.kind, self._lease.model).inc(max(0, step - counted))
            counted = step
            self._telling(work)
            if time.monotonic() - self._kept >= self._pause:
                self._checkpoint(work)

    def _turn_is_over(self, work: Work) -> bool:
        """Whether work that may take days has used so much of what an attempt may take that it goes back to the
        queue."""
        return work.takes_turns and time.monotonic() - self._begun > TURN * self._settings.job_seconds

    def _listen(self) -> None:
        """Raise Lost or Cancelled where it is time to."""
        if self._keeper.verdict is Verdict.LOST:
            raise Lost
        if self._keeper.verdict is Verdict.CANCEL:
            raise Cancelled

    def _telling(self, work: Work) -> None:
        """Tell the step, unless the last was told a moment ago."""
        now, progress = time.monotonic(), work.progress()
        if not progress.step > 0 or (not work.over and now - self._told < TOLD_SECONDS):
            return
        self._told = now
        every = self._lease.spec["preview_seconds"]
        jpeg = b""
        if every and (now - self._previewed >= every or work.over):
            self._previewed = now
            jpeg = work.preview()
        try:
            self._keeper.hear(self._records.step(self._lease, self._settings.lease_seconds, progress, jpeg))
        except redis.RedisError as error:
            _tell_store_away(error)

    def _checkpoint(self, work: Work) -> None:
        """Keep where the work is, then let go of what was kept before."""
        begun = time.monotonic()
        with span("checkpoint", step=work.progress().step), CHECKPOINT_SECONDS.labels(self._lease.kind).time():
            self._write_checkpoint(work)
        self._safe()
        self._pause = max(self._settings.checkpoint_seconds, PAUSE * (time.monotonic() - begun))

    def _write_checkpoint(self, work: Work) -> None:
        state = work.checkpoint()
        if not state:
            return
        path = f"{self._folder}/checkpoints/{self._lease.token}-{work.progress().step:07}"
        self._artifacts.put(path, state)
        verdict, before = self._insist(lambda: self._records.checkpoint(self._lease, path))
        self._keeper.hear(verdict)
        self._listen()
        if before and before != path:
            self._artifacts.remove(before)

    def _safe(self) -> None:
        """Note that nothing done up to now can be lost."""
        self._kept = time.monotonic()
        CHECKPOINTED.set_to_current_time()

    def _keep(self, name: str, media_type: str, data: bytes) -> File:
        return self._artifacts.keep(f"{self._folder}/attempt-{self._lease.token}/{name}", media_type, data)

    def _insist(self, ask: Callable[[], T]) -> T:
        """Ask the store until it answers: what was made is not thrown away because it was restarted."""
        while True:
            try:
                return ask()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _tell_store_away(error)
                time.sleep(RETRY_SECONDS)


def _tell_store_away(error: redis.RedisError) -> None:
    STORE_AWAY.inc()
    log.warning("the store is away", error=str(error))


def _failure(error: Exception, lease: Lease, settings: WorkerSettings) -> tuple[Failure, bool]:
    """Why an attempt failed, and whether another one might not."""
    match error:
        case ConvscopeError():
            return Failure(error.status, error.reason, error.message, blamed_field(lease, error.field)), False
        case SoftTimeLimitExceeded():
            message = f"one attempt took longer than the {settings.job_seconds} s that it may"
            return Failure("DEADLINE_EXCEEDED", "JOB_TOO_LONG", message), False
        case OSError():
            return Failure("UNAVAILABLE", "ARTIFACTS_AWAY", f"the artifact store refuses: {error}"), False
        case RuntimeError() | MemoryError() if out_of_memory(error):
            return Failure("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "the worker's memory was not enough"), True
        case _:
            return Failure("INTERNAL", "INTERNAL", f"{type(error).__name__}: {error}"[:500]), True
