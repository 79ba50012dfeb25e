"""One job, from its lease to its end."""

import json
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

import numpy as np
import redis
import structlog
from celery.exceptions import SoftTimeLimitExceeded

from convscope.engine.errors import ConvscopeError
from convscope.engine.memory import out_of_memory
from convscope.engine.synthesis.synthesis import Synthesis
from convscope.services.common.jobs.artifacts import Artifacts, folder_of
from convscope.services.common.jobs.job import Failure, File, Lease, Progress
from convscope.services.common.jobs.records import JobRecords, Verdict
from convscope.workers.drawings import animation, png, preview
from convscope.workers.flag import Flag
from convscope.workers.lease_keeper import LeaseKeeper
from convscope.workers.settings import WorkerSettings
from convscope.workers.warm_models import WarmModels
from convscope.workers.work import WORK, Inputs, field_in_request

log = structlog.get_logger()
T = TypeVar("T")
# Of a GPU that makes a thousand steps a second nobody wants to hear of each.
TOLD_SECONDS = 0.05
FRAMES = 24
RETRY_SECONDS = 0.5


class Lost(Exception):
    """The job is somebody else's by now, or over."""


class Cancelled(Exception):
    """Somebody has asked for the end."""


class HandedOn(Exception):
    """This worker is leaving; another one goes on."""


class JobRun:
    """Carries out one job under its lease."""

    def __init__(
        self,
        lease: Lease,
        *,
        records: JobRecords,
        artifacts: Artifacts,
        models: WarmModels,
        leaving: Flag,
        settings: WorkerSettings,
    ) -> None:
        self._lease = lease
        self._records = records
        self._artifacts = artifacts
        self._models = models
        self._leaving = leaving
        self._settings = settings
        self._keeper = LeaseKeeper(records, lease, settings.lease_seconds)
        self._folder = folder_of(lease.id)
        self._told = self._previewed = 0.0
        self._drawn: tuple[int, bytes] | None = None
        self._kept = time.monotonic()

    def __call__(self) -> None:
        """Whatever happens, the record says it in the end, or the lease runs out; nothing is raised."""
        lease, started = self._lease, time.monotonic()
        with structlog.contextvars.bound_contextvars(job=lease.id, attempt=lease.attempt), self._keeper:
            log.info("begins", kind=lease.kind, model=lease.model, at=lease.checkpoint or "the beginning")
            outcome = self._carry_out()
            log.info("finished", outcome=outcome, seconds=round(time.monotonic() - started, 2))

    def _carry_out(self) -> str:
        lease = self._lease
        try:
            synthesis = self._begin()
            self._go(synthesis)
            result, files = self._leave(synthesis)
            self._listen()
            outcome = self._insist(lambda: self._records.succeed(lease, result, files))
        except Lost:
            outcome = None
        except Cancelled:
            outcome = self._insist(lambda: self._records.stop(lease))
        except HandedOn:
            outcome = self._insist(lambda: self._records.release(lease, "its worker is leaving"))
        except Exception as error:
            failure, again = _failure(error, lease, self._settings)
            if again:
                log.exception("failed", again=again)
            outcome = self._insist(lambda: self._records.fail(lease, failure, again=again))
        return outcome or "lost"

    def _begin(self) -> Synthesis:
        lease = self._lease
        model = self._models.get(lease.model)
        self._listen()
        checkpoint = self._artifacts.get(lease.checkpoint) if lease.checkpoint else None
        synthesis = WORK[lease.kind](model, lease.spec, Inputs(lease.spec, self._input), checkpoint)
        self._telling(synthesis)
        return synthesis

    def _input(self, name: str) -> bytes:
        return self._artifacts.get(f"{self._folder}/inputs/{name}")

    def _go(self, synthesis: Synthesis) -> None:
        frames = _framed(synthesis.total, early=True)
        while not synthesis.over:
            self._listen()
            if self._leaving:
                self._checkpoint(synthesis)
                raise HandedOn
            synthesis.advance()
            if synthesis.step in frames and not synthesis.over:
                self._artifacts.put(self._frame(synthesis.step), self._drawing(synthesis))
            self._telling(synthesis)
            if time.monotonic() - self._kept >= self._settings.checkpoint_seconds:
                self._checkpoint(synthesis)

    def _drawing(self, synthesis: Synthesis) -> bytes:
        """The pictures as they are, small; drawn once a step, whoever asks."""
        if self._drawn is None or self._drawn[0] != synthesis.step:
            self._drawn = (synthesis.step, preview(synthesis.pictures()))
        return self._drawn[1]

    def _frame(self, step: int) -> str:
        # Not under the attempt: whoever makes the same step makes the same picture.
        return f"{self._folder}/way/{step:07}.jpg"

    def _listen(self) -> None:
        """Raise Lost or Cancelled where it is time to."""
        if self._keeper.verdict is Verdict.LOST:
            raise Lost
        if self._keeper.verdict is Verdict.CANCEL:
            raise Cancelled

    def _telling(self, synthesis: Synthesis) -> None:
        """Tell the step, unless the last was told a moment ago."""
        now = time.monotonic()
        if not synthesis.step > 0 or (not synthesis.over and now - self._told < TOLD_SECONDS):
            return
        self._told = now
        every = self._lease.spec["preview_seconds"]
        jpeg = b""
        if every and (now - self._previewed >= every or synthesis.over):
            self._previewed = now
            jpeg = self._drawing(synthesis)
        found = synthesis.progress()
        progress = Progress(found.step, found.total, found.loss, found.scores)
        try:
            self._keeper.hear(self._records.step(self._lease, self._settings.lease_seconds, progress, jpeg))
        except redis.RedisError as error:
            log.warning("the store is away", error=str(error))

    def _checkpoint(self, synthesis: Synthesis) -> None:
        """Keep where the work is, then let go of what was kept before."""
        path = f"{self._folder}/checkpoints/{self._lease.token}-{synthesis.step:07}"
        self._artifacts.put(path, synthesis.checkpoint())
        verdict, before = self._insist(lambda: self._records.checkpoint(self._lease, path))
        self._keeper.hear(verdict)
        self._listen()
        if before and before != path:
            self._artifacts.remove(before)
        self._kept = time.monotonic()

    def _leave(self, synthesis: Synthesis) -> tuple[dict[str, Any], list[File]]:
        """Write what was made; nobody sees it before the record names it."""
        images = [{**known, "file": f"image-{place}.png"} for place, known in enumerate(synthesis.results())]
        values = BytesIO()
        np.save(values, synthesis.values(), allow_pickle=False)
        files = [
            self._keep(image["file"], "image/png", png(picture))
            for image, picture in zip(images, synthesis.pictures(), strict=True)
        ]
        for name, picture in synthesis.extra_pictures().items():
            files.append(self._keep(name, "image/png", png(picture)))
        files.append(self._keep("values.npy", "application/octet-stream", values.getvalue()))
        files.append(self._keep("history.json", "application/json", json.dumps(synthesis.history()).encode()))
        framed = _framed(synthesis.total, early=synthesis.step < synthesis.total)
        way = [step for step in framed if step < synthesis.step]
        frames = [*(self._artifacts.get(self._frame(step)) for step in way), self._drawing(synthesis)]
        files.append(self._keep("way.gif", "image/gif", animation(frames)))
        return {**synthesis.outcome(), "images": images}, files

    def _keep(self, name: str, media_type: str, data: bytes) -> File:
        return self._artifacts.keep(f"{self._folder}/attempt-{self._lease.token}/{name}", media_type, data)

    def _insist(self, ask: Callable[[], T]) -> T:
        """Ask the store until it answers: what was made is not thrown away because it was restarted."""
        while True:
            try:
                return ask()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                log.warning("the store is away", error=str(error))
                time.sleep(RETRY_SECONDS)


def _framed(total: int, *, early: bool) -> list[int]:
    """The steps that are frames of the animation, but for the last one taken, which always is: evenly over all of them.
    early: for work that may end long before, also some of the first ones, ever farther apart."""
    every = -(-total // FRAMES)
    first = {1 << power for power in range((every - 1).bit_length())} if early else set()
    return sorted({*first, *range(every, total, every)})


def _failure(error: Exception, lease: Lease, settings: WorkerSettings) -> tuple[Failure, bool]:
    """Why an attempt failed, and whether another one might not."""
    match error:
        case ConvscopeError():
            return Failure(error.status, error.reason, error.message, field_in_request(error, lease.spec)), False
        case SoftTimeLimitExceeded():
            message = f"one attempt took longer than the {settings.job_seconds} s that it may"
            return Failure("DEADLINE_EXCEEDED", "JOB_TOO_LONG", message), False
        case OSError():
            return Failure("UNAVAILABLE", "ARTIFACTS_AWAY", f"the artifact store refuses: {error}"), False
        case RuntimeError() | MemoryError() if out_of_memory(error):
            return Failure("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "the worker's memory was not enough"), True
        case _:
            return Failure("INTERNAL", "INTERNAL", f"{type(error).__name__}: {error}"[:500]), True
