"""A gRPC server with health, reflection, drain and the limits of the settings."""

import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from convscope.services.common.access.gate import Gate
from convscope.services.common.certificates import server_credentials
from convscope.services.common.health import HealthServicer
from convscope.services.common.interceptor import CallInterceptor
from convscope.services.common.ports import PortTaken
from convscope.services.common.settings import ServerSettings
from convscope.services.common.telemetry.metrics import SERVING

log = structlog.get_logger()
FLUSH_SECONDS = 0.5


class Server:
    """Bound when made, so that a taken port is known before models are loaded; unhealthy until `ready()`."""

    def __init__(self, settings: ServerSettings, services: Sequence[str], *, threads: int) -> None:
        self._settings = settings
        self._services = ("", *services)
        self._calls = CallInterceptor(Gate.of(settings))
        self.grpc = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="call"),
            interceptors=[self._calls],
            options=_options(settings),
            maximum_concurrent_rpcs=4 * threads,
        )
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        reflected = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(reflected, self.grpc)
        self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        self.port = self._bind()

    def _bind(self) -> int:
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            credentials = server_credentials(self._settings)
            if credentials is None:
                return self.grpc.add_insecure_port(address)
            return self.grpc.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise PortTaken(f"cannot listen on {address}: the port is taken or the address is not ours") from error

    @property
    def address(self) -> str:
        return f"{self._settings.host}:{self.port}"

    def start(self) -> None:
        """Take calls; health says NOT_SERVING until ready()."""
        self.grpc.start()

    def ready(self) -> None:
        """Let health say SERVING."""
        self._report(health_pb2.HealthCheckResponse.SERVING)
        log.info("serving", address=self.address)

    def drain(self, before_calls_end: Sequence[Callable[[], None]] = ()) -> None:
        """Turn unhealthy, give load balancers time to notice, refuse new calls, let accepted ones finish.

        before_calls_end: called when no new calls come any more.
        """
        log.info("draining", delay=self._settings.drain_delay, grace=self._settings.drain_grace)
        self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        threading.Event().wait(self._settings.drain_delay)
        self._health.close()
        self._calls.refuse_new_calls()
        for let_go in before_calls_end:
            let_go()
        self._calls.wait_until_idle(self._settings.drain_grace)
        # So that a caller whose last call has just ended hears UNAVAILABLE of the next one, and no CANCELLED from gRPC.
        threading.Event().wait(FLUSH_SECONDS)
        if not self.grpc.stop(FLUSH_SECONDS).wait(2 * FLUSH_SECONDS):
            # Seen after streams of rubbish: grpcio loses count of a call that it has ended. None of ours is left.
            log.warning("gRPC does not say that it has stopped")
        log.info("stopped")

    def _report(self, status: int) -> None:
        SERVING.set(status == health_pb2.HealthCheckResponse.SERVING)
        for service in self._services:
            self._health.set(service, status)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; call it from the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    options = [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # Clients may ping an idle connection every 20 s without being sent away.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ]
    if settings.max_connection_age:
        options += [
            ("grpc.max_connection_age_ms", int(settings.max_connection_age * 1000)),
            ("grpc.max_connection_age_grace_ms", int(settings.drain_grace * 1000)),
        ]
    return options
