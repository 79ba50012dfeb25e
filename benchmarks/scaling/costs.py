"""What each thing that a cluster does costs the part that does it; seconds of a processor unless said otherwise."""

from dataclasses import dataclass

TOLD_SECONDS = 0.05
"""A worker tells a step no more often than that; as in workers/job_run.py."""
RENEW_SECONDS = 1.0
"""And renews its lease once in that time."""


@dataclass(frozen=True)
class JobCosts:
    """Of jobs, to what a cluster shares."""

    accept_server: float
    """The jobs server, to take a job in."""
    accept_store: float
    claim_store: float
    tell_store: float
    """The store, for a step that is told and kept as an event."""
    renew_store: float
    finish_store: float
    event_server: float
    """A jobs server, for an event that a watcher is sent."""
    event_store: float
    idle_server: float
    """A jobs server, in every second in which nobody asks it anything."""


@dataclass(frozen=True)
class WorkCosts:
    """Of one network's jobs, to the worker that does them."""

    step_device: float
    """Seconds of the device, in which the processor has nothing to do."""
    step_worker: float
    job_worker: float
    """For a job beside its steps: begin, leave, write what was made."""
    job_wait: float
    """Seconds in which the worker has nothing to do between two jobs: messages, Celery."""
    job_bytes: float
    """Of the artifact store, for a job that is done."""


@dataclass(frozen=True)
class CallCosts:
    """Of one attribution."""

    decode: float
    """A core, beside the interpreter: decoding and resizing."""
    interpreter: float
    """The one interpreter of a server: gRPC, checks, queue, encoding. What one process can never go below."""
    cache_store: float
    """The store, to look for an answer and to keep it."""
