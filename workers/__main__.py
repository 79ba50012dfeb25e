"""python -m convscope.workers: take jobs until SIGTERM or Ctrl-C."""

import os
import sys
from tempfile import TemporaryDirectory

import structlog
from pydantic import ValidationError
from pydantic_settings import CliApp

from convscope.engine.errors import ConvscopeError
from convscope.services.common.settings import fault
from convscope.services.common.telemetry.logs import configure_logs
from convscope.services.common.tuning import tune_process
from convscope.workers.settings import WorkerSettings

log = structlog.get_logger()


def main() -> int:
    tune_process()  # for the children too, who load torch
    try:
        settings = CliApp.run(WorkerSettings)
    except ValidationError as error:
        configure_logs("console")
        log.error("cannot start", error=fault(error))
        return 1
    configure_logs(settings.log_format, settings.log_level)
    with TemporaryDirectory(prefix="convscope-metrics-") as folder:
        # Before anything imports the library that counts: see exposition.py.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from convscope.workers.worker import Worker

        try:
            return Worker(settings).run()
        except ConvscopeError as error:
            log.error("cannot start", error=str(error))
            return 1


if __name__ == "__main__":
    sys.exit(main())
