"""A job as its record tells it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Failure:
    """Why a job, or an attempt at it, failed."""

    status: str
    """Name of a canonical status code."""
    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True)
class File:
    """An artifact in a job's record."""

    name: str
    media_type: str
    size: int
    sha256: str
    path: str
    """Where it lies in the artifact store; the attempt is in it, so that no other one can write to it."""


@dataclass(frozen=True)
class Progress:
    """A step that was told."""

    step: int
    total: int
    loss: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Job:
    """A snapshot of a record. Times are seconds since 1970 by the store's clock; 0: not yet."""

    id: str
    kind: str
    model: str
    caller: str
    """Who handed it in."""
    state: State
    priority: int
    attempts: int
    cancel_requested: bool
    created: float
    started: float
    ended: float
    expires: float
    last_event: int
    spec: dict[str, Any]
    """What is to be done, as the kind of work reads it."""
    result: dict[str, Any]
    """What came of it, as the kind of work writes it; empty until it has succeeded."""
    files: tuple[File, ...]
    progress: Progress | None
    failure: Failure | None
    correlation_id: str
    """Of the call that handed it in."""

    @classmethod
    def read(cls, id: str, record: Mapping[bytes, bytes]) -> Self:
        """From the fields of its hash."""
        found = {name.decode(): value.decode() for name, value in record.items()}

        def parsed(name: str) -> Any:
            return json.loads(found[name]) if found.get(name) else None

        progress, failure = parsed("progress"), parsed("failure")
        return cls(
            id=id,
            kind=found["kind"],
            model=found["model"],
            caller=found["caller"],
            state=State(found["state"]),
            priority=int(found["priority"]),
            attempts=int(found["attempts"]),
            cancel_requested=found.get("cancel") == "1",
            created=float(found["created"]),
            started=float(found.get("started", 0)),
            ended=float(found.get("ended", 0)),
            expires=float(found.get("expires", 0)),
            last_event=int(found["last_event"]),
            spec=parsed("spec"),
            result=parsed("result") or {},
            files=tuple(File(**file) for file in parsed("files") or ()),
            progress=Progress(**{**progress, "scores": tuple(progress["scores"])}) if progress else None,
            failure=Failure(**failure) if failure else None,
            correlation_id=found.get("correlation_id", ""),
        )


@dataclass(frozen=True)
class NewJob:
    """What is asked for."""

    id: str
    kind: str
    model: str
    spec: dict[str, Any]
    caller: str
    priority: int = 5
    request_id: str = ""
    max_attempts: int = 3
    correlation_id: str = ""
    trace: str = ""
    """The span that it is part of, a W3C traceparent; empty for none."""


@dataclass(frozen=True)
class Lease:
    """A worker's right to a job. The token grows with every lease that is given, so that an old one is known."""

    id: str
    token: int
    attempt: int
    kind: str
    model: str
    spec: dict[str, Any] = field(repr=False)
    checkpoint: str = ""
    """Path of the last checkpoint in the artifact store; empty: begin at the beginning."""
    correlation_id: str = ""
    trace: str = ""
