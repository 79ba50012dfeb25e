"""What happened to a job, from a number on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis

from convscope.services.common.jobs.job import Progress, State

# A watcher looks up so often to see whether its caller is still there, seconds.
BLOCK_SECONDS = 0.5
PAGE = 100


@dataclass(frozen=True)
class StateChange:
    """The job has another state."""

    state: State
    attempt: int
    message: str


@dataclass(frozen=True)
class Preview:
    """How the pictures look by now."""

    step: int
    jpeg: bytes


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    number: int
    """From 1, without a gap."""
    time: float
    what: StateChange | Progress | Preview

    @property
    def last(self) -> bool:
        """Whether nothing can come after it."""
        return isinstance(self.what, StateChange) and self.what.state.ended


def follow(store: redis.Redis, id: str, after: int, going_on: Callable[[], None]) -> Iterator[Event]:
    """The events after a number, as they happen; ends with the last that there can be, or when the job is deleted.

    going_on: called at least every BLOCK_SECONDS; what it raises ends the watch. `store` must wait for a reply for
    longer than that. May raise redis.RedisError.
    """
    while not _over(store, id, after):
        going_on()
        for event in _page(store, id, after, block=BLOCK_SECONDS):
            yield event
            if event.last:
                return
            after = event.number


def events_after(store: redis.Redis, id: str, after: int) -> list[Event]:
    """All that have happened by now."""
    found: list[Event] = []
    while page := _page(store, id, found[-1].number if found else after):
        found += page
    return found


def _page(store: redis.Redis, id: str, after: int, *, block: float | None = None) -> list[Event]:
    """The next ones, PAGE at most; where there are none, the first within `block` seconds."""
    wait = None if block is None else int(block * 1000)
    found: Any = store.xread({f"convscope:events:{id}": f"{after}-0"}, count=PAGE, block=wait)
    return [_read(int(number.partition(b"-")[0]), fields) for _, rows in found or () for number, fields in rows]


def _over(store: redis.Redis, id: str, after: int) -> bool:
    """Whether nothing will come after that number any more."""
    found: Any = store.hmget(f"convscope:job:{id}", "last_event", "state")
    last, state = found
    return state is None or (State(state.decode()).ended and int(last) <= after)


def _read(number: int, fields: dict[bytes, bytes]) -> Event:
    what: StateChange | Progress | Preview
    match fields[b"kind"]:
        case b"state":
            what = StateChange(
                State(fields[b"state"].decode()), int(fields[b"attempt"]), fields[b"message"].decode(errors="replace")
            )
        case b"progress":
            progress = json.loads(fields[b"progress"])
            what = Progress(progress["step"], progress["total"], progress["loss"], tuple(progress["scores"]))
        case _:
            what = Preview(int(fields[b"step"]), fields[b"jpeg"])
    return Event(number, float(fields[b"time"]), what)
