"""How much work the server takes at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from convscope.services.common.call import Call
from convscope.services.common.errors import Busy
from convscope.services.common.telemetry.metrics import REFUSED

POLL_SECONDS = 0.5


class Admission:
    """So many places. A caller without one is told to come again, before anything is paid for it."""

    def __init__(self, places: int, what: str) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._limit = places
        self._what = what

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises Busy where there is none."""
        if not self._places.acquire(blocking=False):
            REFUSED.inc()
            raise Busy(f"the server has {self._limit} {self._what} in work; try again", retry_after=0.2)
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def wait_for_place(self, call: Call) -> Iterator[None]:
        """Hold a place as soon as there is one. Raises CallCancelled, DeadlinePassed."""
        while not self._places.acquire(timeout=POLL_SECONDS):
            call.check()
        try:
            yield
        finally:
            self._places.release()
