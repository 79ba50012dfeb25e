"""python -m convscope.services.attribution: serve until SIGTERM or Ctrl-C."""

import sys
import threading

import structlog
from pydantic_settings import CliApp

from convscope.engine.errors import ConvscopeError
from convscope.services.attribution.server import AttributionServer
from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.logs import configure_logs
from convscope.services.common.server import stop_on_signals


def main() -> int:
    settings = CliApp.run(AttributionSettings)
    configure_logs(settings.log_format)
    stop = stop_on_signals()
    try:
        server = AttributionServer(settings)
    except (ConvscopeError, OSError) as error:
        structlog.get_logger().error("cannot start", error=str(error))
        return 1
    server.start()
    failed = threading.Event()

    def load() -> None:
        try:
            server.load()
        except ConvscopeError as error:
            structlog.get_logger().error("cannot start", error=str(error))
            failed.set()
            stop.set()

    # In a thread of its own, so that a signal is heeded also while models load.
    threading.Thread(target=load, name="load", daemon=True).start()
    stop.wait()
    server.stop()
    return 1 if failed.is_set() else 0


if __name__ == "__main__":
    sys.exit(main())
