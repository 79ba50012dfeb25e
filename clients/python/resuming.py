"""Calls that outlive their connection: when to try again, when to give up, and where to take up a stream."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from random import uniform
from time import monotonic
from typing import Generic, TypeVar

from convscope.client.errors import CLIENT_CLOSED, ClientError, DeadlineExceeded, ResourceExhausted, Unavailable
from convscope.client.plans import Plan

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds without any server after which what is waited for is given up."""
STREAM_SECONDS = 300.0
"""Every stream has a deadline, so that none hangs on a connection that is dead; then the next one takes over."""
# A stream that lasted so long had a server, though that had nothing to tell. It is more than gRPC's own attempts take.
ALIVE_SECONDS = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
IDLE_SECONDS = 1.0
"""A server that answers a question at once, which it might have thought about, is asked again only after so long."""


class Course(ABC, Generic[T]):
    """A stream that is taken up where it was lost."""

    over = False
    """Whether all has come."""

    @abstractmethod
    def plan(self) -> Plan[Iterator[T]]:
        """The call for what has not come yet, and what each of its responses becomes."""

    @abstractmethod
    def ended(self) -> Plan[None] | None:
        """The stream has ended before it was over, without an error: a call that finds out whether that was all."""


class Resuming:
    """One wait that may take several calls, with what it is for in words."""

    def __init__(self, what: str, timeout: float | None) -> None:
        """timeout: seconds for all calls together; None: no limit."""
        self._what = what
        self._timeout = timeout
        self._opened = monotonic()
        self._until = None if timeout is None else self._opened + timeout
        self._lost_at: float | None = None
        self._pause = FIRST_PAUSE
        self._streaming = False

    def stream_seconds(self) -> float:
        """The next stream begins: what time it has."""
        self._streaming = True
        return self._seconds(STREAM_SECONDS)

    def wait_seconds(self, at_most: float) -> float:
        """The next question begins: how long the server may think about it."""
        self._streaming = False
        return self._seconds(at_most)

    def heard(self) -> None:
        """There is a server."""
        self._lost_at = None
        self._pause = FIRST_PAUSE

    def idle(self) -> float:
        """The call was answered, without what is waited for: seconds to the next. Raises DeadlineExceeded."""
        self.heard()
        return self._within(self._opened + IDLE_SECONDS - monotonic())

    def lost(self, error: ClientError) -> float:
        """The call failed: seconds to the next.

        Raises `error` where another call would do no better, DeadlineExceeded after the timeout, and Unavailable, or
        ResourceExhausted, where there has been no server that takes it for PATIENCE seconds.
        """
        if not _passes(error):
            raise error from None
        now = monotonic()
        if self._streaming and now - self._opened >= min(ALIVE_SECONDS, STREAM_SECONDS):
            self.heard()
        if self._lost_at is None:
            self._lost_at = now
        elif now - self._lost_at >= PATIENCE:
            known = isinstance(error, Unavailable | ResourceExhausted)
            raise (error if known else Unavailable(error.message, status=error.status)) from None
        # At random, so that those who lost the same server do not all come back at once.
        pause = max(self._pause * uniform(0.5, 1), error.retry_after or 0)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return self._within(pause)

    def _seconds(self, at_most: float) -> float:
        self._opened = monotonic()
        return at_most if self._until is None else max(0.0, min(at_most, self._until - self._opened))

    def _within(self, pause: float) -> float:
        if self._until is None:
            return max(0.0, pause)
        left = self._until - monotonic()
        if left <= 0:
            message = f"{self._what} has not ended after {self._timeout:g} s; it goes on"
            raise DeadlineExceeded(message, status="DEADLINE_EXCEEDED") from None
        return max(0.0, min(pause, left))


def _passes(error: ClientError) -> bool:
    """Whether another call may do better."""
    if error.reason == CLIENT_CLOSED:
        return False
    if error.status == "INTERNAL":
        return "RST_STREAM" in error.message  # a proxy between us lost its server
    if error.status == "RESOURCE_EXHAUSTED":
        return error.retry_after is not None
    # A server that is stopped answers CANCELLED to what it has not finished.
    return error.status in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")


def ended_early(what: str) -> Unavailable:
    """What is said of a stream that ended without an error, before it was over."""
    return Unavailable(f"the stream of {what} ended before its time", status="UNAVAILABLE")
