"""One server from its settings to its end."""

import os
import threading

import structlog
from pydantic import ValidationError
from pydantic_settings import CliApp

from convscope.engine.errors import ConvscopeError
from convscope.services.attribution.server import AttributionServer
from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.logs import configure_logs
from convscope.services.common.server import stop_on_signals

log = structlog.get_logger()
WATCH_SECONDS = 0.5


def run() -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status: 1 where it could not start."""
    try:
        settings = CliApp.run(AttributionSettings)
    except ValidationError as error:
        first = error.errors()[0]
        configure_logs("json" if os.environ.get("CONVSCOPE_LOG_FORMAT") == "json" else "console")
        log.error("cannot start", error=f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg']}")
        return 1
    configure_logs(settings.log_format)
    stop, failed = stop_on_signals(), threading.Event()
    try:
        server = AttributionServer(settings)
    except (ConvscopeError, OSError) as error:
        log.error("cannot start", error=str(error))
        return 1
    server.start()

    def load() -> None:
        try:
            server.load()
        except Exception as error:
            log.error("cannot start", error=str(error))
            failed.set()
            stop.set()

    # In a thread of its own, so that a signal is heeded also while models load.
    threading.Thread(target=load, name="start", daemon=True).start()
    # In turns: a signal that arrives just before an endless wait begins would not be seen.
    while not stop.wait(WATCH_SECONDS):
        pass
    server.stop()
    return 1 if failed.is_set() else 0
