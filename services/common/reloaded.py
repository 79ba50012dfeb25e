"""What files say, read again when they change."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")
LOOK_SECONDS = 1.0
Stamp: TypeAlias = tuple[tuple[int, ...] | None, ...]
"""Of each file what changes with it, also where Kubernetes exchanges a link to it; None: it is not there."""


class Reloaded(Generic[T]):
    """Called, it gives what the files say. What they said before stays in force while they cannot be read, which is
    logged once. Looks at them once a second at most, in the thread that asks; usable from any."""

    def __init__(self, what: str, files: Sequence[Path], read: Callable[[], T]) -> None:
        """what: for the log. read: raises OSError that says what is wrong, and nothing that is secret; so does this."""
        self._what = what
        self._files = tuple(files)
        self._read = read
        self._stamp = self._look()
        self._value = read()
        self._look_again = time.monotonic() + LOOK_SECONDS
        self._looking = threading.Lock()

    def __call__(self) -> T:
        # Who comes while another looks takes what was there before.
        if time.monotonic() >= self._look_again and self._looking.acquire(blocking=False):
            try:
                self._look_again = time.monotonic() + LOOK_SECONDS
                self._follow()
            finally:
                self._looking.release()
        return self._value

    def _follow(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            value = self._read()
        except OSError as error:
            log.warning("cannot be read again; what was read before stays in force", what=self._what, error=str(error))
        else:
            if self._look() != stamp:  # exchanged meanwhile: part of it may be old
                return
            self._value = value
            log.info("read again", what=self._what)
        self._stamp = stamp

    def _look(self) -> Stamp:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
