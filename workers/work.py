"""What a job carries out, whatever its kind: steps, and what they leave."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from convscope.engine.imaging.decode import MAX_PIXELS
from convscope.engine.models.model import Model
from convscope.services.common.jobs.artifacts import Artifacts, folder_of
from convscope.services.common.jobs.job import File, Lease, Progress

Keep = Callable[[str, str, bytes], File]
"""Writes a file of a name and a media type that the job leaves."""


@dataclass(frozen=True)
class Bench:
    """What is at hand to carry out a job."""

    lease: Lease
    artifacts: Artifacts
    model: Callable[[str], Model]
    """A model of the catalogue. Raises UnknownModel, ModelUnloadable."""
    store: redis.Redis
    threads: int
    """That may compute, or read files, at once."""
    import_roots: tuple[str, ...] = ()
    """URLs below which images may be read."""
    max_pixels: int = MAX_PIXELS
    """Of one image."""

    @property
    def folder(self) -> str:
        """Where the job's files lie."""
        return folder_of(self.lease.id)

    def checkpoint(self) -> bytes | None:
        """From which to go on; None: begin at the beginning. Raises OSError."""
        return self.artifacts.get(self.lease.checkpoint) if self.lease.checkpoint else None

    def input(self, name: str) -> bytes:
        """A file that came with the job. Raises OSError."""
        return self.artifacts.get(f"{self.folder}/inputs/{name}")


class Work(ABC):
    """A job under way, step by step."""

    takes_turns = False
    """Whether it may take longer than an attempt may: it is then handed on in time."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether there is nothing left to do."""

    @abstractmethod
    def advance(self) -> None:
        """Take a step. May raise whatever fails the attempt."""

    @abstractmethod
    def progress(self) -> Progress:
        """How far it is."""

    @abstractmethod
    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        """Write what was made; with the result, plain JSON. Nobody sees a file before the record names it."""

    def checkpoint(self) -> bytes:
        """Where it is, to go on from; empty where it keeps that by itself."""
        return b""

    def close(self) -> None:  # noqa: B027  # most kinds hold nothing
        """Let go of threads and scratch files, however the job has ended."""

    def preview(self) -> bytes:
        """How it looks by now, a small JPEG; empty for nothing to see."""
        return b""
