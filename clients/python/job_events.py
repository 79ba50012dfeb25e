"""What happens to a job, as its watcher is told."""

from dataclasses import dataclass, field
from datetime import datetime

from PIL import Image as PillowImage

ENDED = ("succeeded", "failed", "cancelled")
"""States that no job leaves any more."""


@dataclass(frozen=True)
class Progress:
    """A job has done a step."""

    number: int
    """Of the event, from 1 on; watch(after=number) goes on behind it."""
    time: datetime
    step: int
    """Steps done."""
    total: int
    """Steps in all."""
    loss: float
    """What is descended, the mean over the pictures."""
    scores: tuple[float, ...]
    """What is ascended, for each picture: of a class, its score."""


@dataclass(frozen=True)
class Preview:
    """How a job's pictures look by now."""

    number: int
    """Of the event, from 1 on."""
    time: datetime
    step: int
    """Steps done."""
    picture: PillowImage.Image = field(repr=False)
    """The pictures side by side, small, RGB."""


@dataclass(frozen=True)
class StateChange:
    """A job has another state."""

    number: int
    """Of the event, from 1 on."""
    time: datetime
    state: str
    """queued, running, succeeded, failed or cancelled."""
    attempt: int
    """The number of the attempt."""
    message: str
    """Why, where it is not the plain way of things: an error, a hand-over."""


Event = Progress | Preview | StateChange
