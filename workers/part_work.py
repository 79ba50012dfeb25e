"""Work in parts that several workers may share."""

import time
from collections.abc import Callable
from typing import Protocol

import redis
import structlog

from convscope.services.common.collections.shards import Shards, Shared
from convscope.services.common.jobs.job import Progress
from convscope.workers.work import Bench, Work

log = structlog.get_logger()
# A worker that has not been heard of for so long loses its part; it is heard of between two steps.
PART_SECONDS = 15.0
PAUSE_SECONDS = 0.2


class NoLongerRunning(Exception):
    """The job whose part this is has ended, or its worker has lost it."""


class Part(Protocol):
    """A part under way, step by step."""

    @property
    def done(self) -> int:
        """Of the part's items, those that are through."""

    @property
    def over(self) -> bool: ...

    def advance(self) -> None:
        """Take a step. May raise NoLongerRunning, and whatever fails the attempt."""

    def to_bytes(self) -> bytes:
        """What was found, once it is over: the same, whoever found it."""

    def close(self) -> None:
        """Let go of threads, however it has ended."""


class Plan(Protocol):
    """What is to be done in which parts; the same for all who work on it."""

    bench: Bench
    parts: list[range]
    shared: Shared

    def begin(self, part: int) -> Part: ...

    def part_path(self, part: int) -> str:
        """Where a part's file lies."""


class PartWork:
    """Takes parts that nobody has, one after the other, step by step."""

    def __init__(self, plan: Plan, shards: Shards) -> None:
        self._plan = plan
        self._shards = shards
        self._number: int | None = None
        self._part: Part | None = None

    @property
    def under_way(self) -> int:
        """Items that are through, of the part in work."""
        return self._part.done if self._part else 0

    def advance(self) -> bool:
        """Take the next step. False where there is no part that nobody has."""
        plan = self._plan
        if self._part is None:
            self._number = self._shards.claim(plan.shared, PART_SECONDS)
            if self._number is None:
                return False
            self._part = plan.begin(self._number)
        assert self._number is not None
        try:
            self._part.advance()
            if not self._part.over and not self._shards.hold(plan.shared, self._number, PART_SECONDS):
                raise NoLongerRunning
        except NoLongerRunning:
            self.close()
            return True
        if not self._part.over:
            return True
        plan.bench.artifacts.put(plan.part_path(self._number), self._part.to_bytes())
        self._shards.finish(plan.shared, self._number)
        self.close()
        return True

    def close(self) -> None:
        """Let go of the part in work."""
        if self._part is not None:
            self._part.close()
        self._part = None


class SharedWork(Work):
    """The job: it takes parts like every helper, waits for the others', and puts all together."""

    def __init__(self, plan: Plan, *, before: int = 0) -> None:
        """before: items that need no part any more."""
        self._shared_plan = plan
        self._before = before
        self.shards = Shards(plan.bench.store)
        self._work = PartWork(plan, self.shards)
        self._done: set[int] = set()
        if plan.parts:
            self._take_up()

    def _take_up(self) -> None:
        """Parts whose files are there, of an earlier attempt or of a job that was cancelled, are done."""
        plan = self._shared_plan
        for part in range(len(plan.parts)):
            if plan.bench.artifacts.exists(plan.part_path(part)):
                self.shards.finish(plan.shared, part)
        self.shards.share(plan.shared)
        self._done = self.shards.done(plan.shared)

    @property
    def over(self) -> bool:
        return len(self._done) == len(self._shared_plan.parts)

    def advance(self) -> None:
        if not self._work.advance():
            time.sleep(PAUSE_SECONDS)
        if not self._work.under_way:
            self._done = self.shards.done(self._shared_plan.shared)

    def progress(self) -> Progress:
        parts = self._shared_plan.parts
        through = sum(len(parts[part]) for part in self._done) + self._work.under_way
        return Progress(self._before + through, self._before + sum(map(len, parts)), 0.0, ())

    def close(self) -> None:
        self._work.close()


def help_with(plan: Plan, leaving: Callable[[], bool]) -> None:
    """Take parts of a job that another worker holds, until none is left or the job no longer runs."""
    work = PartWork(plan, Shards(plan.bench.store))
    try:
        while not leaving() and work.advance():
            pass
    except (redis.RedisError, OSError) as error:
        log.warning("helps no more", job=plan.bench.lease.id, error=str(error))
    finally:
        work.close()


def parts_of(first: int, end: int, size: int) -> list[range]:
    """The numbers from `first` on, below `end`, in parts of `size`."""
    return [range(start, min(end, start + size)) for start in range(first, end, size)]
