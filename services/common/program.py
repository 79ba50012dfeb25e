"""A server from its settings to its end."""

import os
import threading
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import grpc
import structlog
from pydantic import ValidationError
from pydantic_settings import CliApp

from convscope.engine.errors import ConvscopeError
from convscope.services.common.server import Server, stop_on_signals
from convscope.services.common.settings import ServerSettings, fault
from convscope.services.common.telemetry.logs import configure_logs
from convscope.services.common.telemetry.metrics import serve_metrics
from convscope.services.common.telemetry.traces import configure_traces, end_traces

log = structlog.get_logger()
WATCH_SECONDS = 0.5
# Threads beyond the accepted calls: for health and who watches it, for listings, and to refuse what is too much.
SPARE_THREADS = 48
Settings = TypeVar("Settings", bound=ServerSettings)


class Part(Protocol):
    """Services that belong together, and what they need. Making one raises what is wrong with its settings."""

    services: tuple[str, ...]
    """Full names, for health and reflection."""
    threads: int
    """Calls that it has in work at once."""

    def __init__(self, settings: Any) -> None: ...

    def add_to(self, server: grpc.Server) -> None: ...

    def load(self) -> None:
        """What must be done before the server is healthy."""

    def let_go(self) -> None:
        """End the calls that would not end by themselves; the server drains."""

    def close(self) -> None:
        """After the last call."""


def run(kind: type[ServerSettings], *parts: type[Part]) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status: 1 where it could not start. `kind` has the settings of all."""
    try:
        settings = CliApp.run(kind)
    except ValidationError as error:
        configure_logs("json" if os.environ.get("CONVSCOPE_LOG_FORMAT") == "json" else "console")
        log.error("cannot start", error=fault(error))
        return 1
    configure_logs(settings.log_format, settings.log_level)
    stop, failed = stop_on_signals(), threading.Event()
    try:
        configure_traces(settings.traces_endpoint, str(kind.model_config["cli_prog_name"]))
        made = [part(settings) for part in parts]
        server = _bind(settings, made)
    except (ConvscopeError, OSError) as error:
        log.error("cannot start", error=str(error))
        return 1
    server.start()

    def load() -> None:
        try:
            for part in made:
                part.load()
            server.ready()
        except Exception as error:
            log.error("cannot start", error=str(error))
            failed.set()
            stop.set()

    # In a thread of its own, so that a signal is heeded also while models load.
    threading.Thread(target=load, name="start", daemon=True).start()
    # In turns: a signal that arrives just before an endless wait begins would not be seen.
    while not stop.wait(WATCH_SECONDS):
        pass
    server.drain(before_calls_end=[part.let_go for part in made])
    for part in made:
        part.close()
    end_traces()
    return 1 if failed.is_set() else 0


def _bind(settings: ServerSettings, parts: Sequence[Part]) -> Server:
    services = [name for part in parts for name in part.services]
    server = Server(settings, services, threads=sum(part.threads for part in parts) + SPARE_THREADS)
    for part in parts:
        part.add_to(server.grpc)
    if settings.metrics_port:
        serve_metrics(settings.host, settings.metrics_port)
    return server
