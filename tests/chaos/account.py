"""What came of every call and of every job."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from convscope.client import ClientError, StateChange
from convscope.client.job_events import ENDED, Event

T = TypeVar("T")
OK, WRONG = "OK", "WRONG"
BY_FAULTS = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED")
"""What a call may fail with while faults last."""


@dataclass(frozen=True)
class Call:
    """One call of the SDK, with all that it did to be answered."""

    kind: str
    phase: str
    """In which it began."""
    began: float
    seconds: float
    status: str
    """OK, WRONG for an answer that is not that of a calm cluster, or the name of a gRPC status."""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.phase}: {self.kind} {self.status} after {self.seconds:.2f} s: {self.why}"


@dataclass
class JobStory:
    """One job, as its caller saw it."""

    order: str
    request_id: str
    phase: str
    name: str = ""
    """jobs/{job}; empty until a call has said that it is accepted."""
    events: list[Event] = field(default_factory=list)
    """All that its watch gave, over however many watches."""
    to_cancel: bool = False
    cancelled: bool = False
    """Whether a call to cancel it was answered."""
    end: str = ""
    """The state that its record has in the end."""
    attempts: int = 0
    checked: bool = False
    """Whether its result was fetched and is the one of a calm cluster, bit for bit."""

    @property
    def accepted(self) -> bool:
        return bool(self.name)

    @property
    def resumed(self) -> bool:
        """Whether it went on elsewhere."""
        return sum(isinstance(event, StateChange) and event.state == "running" for event in self.events) > 1

    def flaws(self) -> Iterable[str]:
        """What must not be: nothing is said of a job that ended once, as it should."""
        numbers = [event.number for event in self.events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"its events have the numbers {numbers}"
        ends = [event.state for event in self.events if isinstance(event, StateChange) and event.state in ENDED]
        if len(ends) != 1 or ends != [self.end]:
            yield f"its watch told the ends {ends}, its record {self.end or 'none'}"
        if self.end not in (("cancelled", "succeeded") if self.cancelled or self.to_cancel else ("succeeded",)):
            yield f"it {self.end or 'has not ended'}"
        if self.end == "succeeded" and not self.checked:
            yield "nobody has seen its result"

    def __str__(self) -> str:
        return f"{self.name or 'no job'} ({self.order}, {self.attempts} attempts, call {self.request_id})"


class Account:
    """Kept by all threads of the load."""

    def __init__(self) -> None:
        self.phase = "calm"
        self.calls: list[Call] = []
        self.jobs: list[JobStory] = []
        self._lock = threading.Lock()

    def ask(self, kind: str, call: Callable[[], T], check: Callable[[T], object] | None = None) -> T | None:
        """Carry a call out and note what came of it. check: raises AssertionError for a wrong answer. None where it
        failed."""
        phase, began = self.phase, time.monotonic()
        answer: T | None = None
        status, why = OK, ""
        try:
            answer = call()
        except ClientError as error:
            status, why = error.status or type(error).__name__, f"{error.reason} {error.message}".strip()
        seconds = time.monotonic() - began
        if answer is not None and check is not None:
            try:
                check(answer)
            except AssertionError as error:
                where = traceback.extract_tb(error.__traceback__)[-1].line
                status, why = WRONG, str(error) or str(where)
        with self._lock:
            self.calls.append(Call(kind, phase, began, seconds, status, why))
        return answer if status == OK else None

    def story(self, order: str, request_id: str, *, to_cancel: bool = False) -> JobStory:
        """A job that is about to be handed in."""
        found = JobStory(order, request_id, self.phase, to_cancel=to_cancel)
        with self._lock:
            self.jobs.append(found)
        return found

    def in_phase(self, phase: str) -> list[Call]:
        return [call for call in list(self.calls) if call.phase == phase]

    def failed(self, phase: str) -> list[Call]:
        """Those that were not answered rightly."""
        return [call for call in self.in_phase(phase) if call.status != OK]

    def forbidden(self) -> list[Call]:
        """Wrong answers, and failures that no fault excuses."""
        return [call for call in list(self.calls) if call.status not in (OK, *BY_FAULTS)]

    def flaws(self) -> list[str]:
        """Of all jobs that were accepted, and of those of which nobody knows whether they are."""
        found = [f"{job}: {flaw}" for job in self.jobs if job.accepted for flaw in job.flaws()]
        names = Counter(job.name for job in self.jobs if job.accepted)
        return [*found, *(f"{name} is the job of {count} calls" for name, count in names.items() if count > 1)]

    def longest_gap(self, kinds: Sequence[str], since: float, until: float) -> float:
        """The longest time without a right answer to one of these, seconds."""
        ends = sorted(
            call.began + call.seconds
            for call in list(self.calls)
            if call.kind in kinds and call.status == OK and since <= call.began + call.seconds <= until
        )
        times = [since, *ends, until]
        return max(later - earlier for earlier, later in pairwise(times))


def percentile(seconds: Sequence[float], share: float) -> float:
    """By the nearest rank; 0 of nothing."""
    ranked = sorted(seconds)
    with suppress(IndexError):
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
    return 0.0
