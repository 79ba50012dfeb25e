"""Health, as grpc.health.v1 defines it."""

import threading
from collections.abc import Iterator

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

WATCHERS = 16


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Check, and Watch for so many at once, each of which holds a thread.

    Not the servicer of grpcio-health-checking: it sends to watchers under the lock that gRPC's own thread wants when
    a watcher goes, so that the two wait for each other; and it has no way to end a watch, so that a server drains for
    as long as somebody watches.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._watchers = threading.BoundedSemaphore(WATCHERS)

    def set(self, service: str, status: int) -> None:
        """Let a service have a status; "" is the server."""
        with self._changed:
            self._statuses[service] = status
            self._changed.notify_all()

    def close(self) -> None:
        """End every watch, once it has told the last status."""
        self._closed = True
        self._wake()

    def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        status = self._statuses.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}")
        return health_pb2.HealthCheckResponse(status=status)

    def Watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        if not self._watchers.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHERS} watchers are there already; use Check")
        try:
            context.add_callback(self._wake)
            told: int | None = None
            while (status := self._next_status(request.service, told, context)) != told:
                yield health_pb2.HealthCheckResponse(status=status)
                told = status
        finally:
            self._watchers.release()

    def _next_status(self, service: str, told: int | None, context: grpc.ServicerContext) -> int:
        """A status other than `told`; `told` itself when nobody watches any more."""

        def status() -> int:
            return int(self._statuses.get(service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN))

        with self._changed:
            self._changed.wait_for(lambda: status() != told or self._closed or not context.is_active())
            return status()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
