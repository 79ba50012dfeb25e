"""Holding a job while it is worked on."""

import threading
from contextvars import copy_context
from types import TracebackType
from typing import Self

import redis
import structlog

from convscope.services.common.jobs.job import Lease
from convscope.services.common.jobs.records import JobRecords, Verdict

log = structlog.get_logger()


class LeaseKeeper:
    """A thread that renews a lease three times in its length: also while a model loads, or one step takes long.

    `verdict` is what was heard last. A store that is away is waited for: the work goes on meanwhile.
    """

    def __init__(self, records: JobRecords, lease: Lease, seconds: float) -> None:
        self.verdict = Verdict.GO_ON
        self._records = records
        self._lease = lease
        self._seconds = seconds
        self._over = threading.Event()

    def __enter__(self) -> Self:
        # With what the log says of the job.
        self._thread = threading.Thread(target=copy_context().run, args=(self._keep,), name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        # At least once a second, so that a cancel is heard of during a long step.
        while not self._over.wait(min(self._seconds / 3, 1.0)):
            try:
                self.hear(self._records.renew(self._lease, self._seconds))
            except redis.RedisError as error:
                log.warning("the store is away", error=str(error))

    def hear(self, verdict: Verdict) -> None:
        """Keep what was heard; a job that is lost stays lost, a cancel stays a cancel."""
        if self.verdict is Verdict.GO_ON or verdict is Verdict.LOST:
            self.verdict = verdict
