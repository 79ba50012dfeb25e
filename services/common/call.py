"""One caller's patience: the deadline of a call, and whether the caller is still there."""

import threading
import time
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import grpc

from convscope.services.common.errors import CallCancelled, DeadlinePassed

T = TypeVar("T")
YEAR = 365 * 24 * 3600.0


class Call:
    """The deadline and the cancellation of one gRPC call."""

    def __init__(self, seconds: float | None) -> None:
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self._gone = threading.Event()
        self._waiting: set[Future[Any]] = set()

    @classmethod
    def of(cls, context: grpc.ServicerContext) -> "Call":
        """The call that a servicer's context stands for. Raises CallCancelled where it has ended already."""
        seconds = context.time_remaining()
        # gRPC gives centuries where the caller set no deadline.
        call = cls(None if seconds is None or seconds > YEAR else seconds)
        if not context.add_callback(call.cancel):
            call.cancel()
        call.check()
        return call

    @property
    def gone(self) -> bool:
        """Whether the caller has gone."""
        return self._gone.is_set()

    def cancel(self) -> None:
        """Note that the caller has gone, and give up what is being waited for."""
        self._gone.set()
        for future in list(self._waiting):
            future.cancel()

    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None where there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Raise CallCancelled or DeadlinePassed where nobody would read an answer."""
        if self.gone:
            raise CallCancelled("the caller has gone")
        if self.remaining() == 0:
            raise DeadlinePassed("the deadline passed before the work began")

    def wait(self, future: "Future[T]") -> T:
        """The result of `future`, as long as somebody waits for it. A future that nobody waits for is cancelled."""
        self._waiting.add(future)
        try:
            self.check()
            return future.result(self.remaining())
        except CancelledError:
            raise CallCancelled("the caller has gone") from None
        except TimeoutError:
            raise DeadlinePassed("the deadline passed before the answer was there") from None
        finally:
            self._waiting.discard(future)
            future.cancel()
