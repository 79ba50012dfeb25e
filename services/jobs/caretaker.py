"""What nobody asks for and must be done: lost workers, lost messages, and what is too old."""

import threading
from collections.abc import Callable

import redis
import structlog
from kombu.exceptions import OperationalError

from convscope.services.common.collections.shards import Shards
from convscope.services.common.jobs.artifacts import Artifacts, folder_of
from convscope.services.common.jobs.kinds import KINDS, SHARED_KINDS
from convscope.services.common.jobs.messages import Messages
from convscope.services.common.jobs.records import JobRecords, Reaping
from convscope.services.jobs.metrics import COUNTS, QUEUED, RUNNING

log = structlog.get_logger()
BEAT_SECONDS = 0.5
SWEEP_BEATS = 60


class Caretaker:
    """A thread that looks at the records twice a second. Several may be at work: each of its acts is one script, or
    does no harm when it is done twice."""

    def __init__(self, records: JobRecords, artifacts: Artifacts, messages: Messages, shards: Shards) -> None:
        self._records = records
        self._shards = shards
        self._artifacts = artifacts
        self._messages = messages
        self._missing = dict.fromkeys(KINDS, 0)
        self._doubtful: dict[str, int] = {}
        self._reaped: Reaping | None = None
        self._away = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def doubt(self, id: str) -> None:
        """Remove a job's files where it turns out that the store, which went away, has not accepted it."""
        self._doubtful[id] = 0

    def _run(self) -> None:
        beats = 0
        while not self._stop.wait(BEAT_SECONDS):
            self._quietly(self.reap)
            self._quietly(self.wake)
            self._quietly(self.settle)
            if beats % SWEEP_BEATS == 0:
                self._quietly(self.sweep)
            beats += 1

    def reap(self) -> None:
        """Take jobs from workers that have gone; not from those who could not say that they are there."""
        self._reaped = self._records.reap(self._reaped, away=self._away)
        self._away = False
        for id in self._reaped.gone:
            job = self._records.find(id)
            log.warning("a worker went away", job=id, correlation_id=job.correlation_id if job else "")

    def wake(self) -> None:
        """Send the messages that jobs are missing, one for each that is queued and one for each that could be helped
        with: those missing now as at the last look, for a message that a worker
        is just about to follow is missed for a moment."""
        RUNNING.set(self._records.running())
        COUNTS.counts = self._records.counts()
        for kind in KINDS:
            queued = self._records.queued(kind)
            QUEUED.labels(kind).set(queued)
            wanted = queued + (len(self._shards.wanting_help(kind)) if kind in SHARED_KINDS else 0)
            missing = max(0, wanted - self._messages.waiting(kind))
            for _ in range(min(missing, self._missing[kind])):
                self._messages.send(kind)
            self._missing[kind] = missing

    def settle(self) -> None:
        """Remove the files of doubtful jobs that are not there, now as at the last look: the store may still have to
        read what it was told before it went away."""
        for id, looks in list(self._doubtful.items()):
            there = self._records.find(id) is not None
            if not there and not looks:
                self._doubtful[id] = 1
                continue
            if not there:
                self._artifacts.remove(folder_of(id))
            del self._doubtful[id]

    def sweep(self) -> None:
        """Delete jobs that have been kept for long enough, with their files."""
        while ids := self._records.expired():
            gone = [id for id in ids if self._forget(id)]
            log.info("deleted old jobs", count=len(gone))
            if len(gone) < len(ids):
                return  # The next sweep tries again.

    def _forget(self, id: str) -> bool:
        """Whether a job and its files are gone; one whose files cannot be removed keeps no other."""
        try:
            self._artifacts.remove(folder_of(id))
        except OSError as error:
            log.warning("the files of an old job cannot be removed", job=id, error=str(error))
            return False
        self._records.delete(id)
        return True

    def _quietly(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (redis.RedisError, OperationalError, OSError) as error:
            self._away |= isinstance(error, redis.RedisError)
            log.warning("the caretaker could not act", act=act.__name__, error=str(error))
        except Exception:  # a record that is broken must not end the care for all others
            log.exception("the caretaker failed", act=act.__name__)
