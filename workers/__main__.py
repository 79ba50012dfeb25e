"""python -m convscope.workers: take jobs until SIGTERM or Ctrl-C."""

import sys

import structlog
from pydantic import ValidationError
from pydantic_settings import CliApp

from convscope.services.common.logs import configure_logs
from convscope.services.common.settings import fault
from convscope.services.common.tuning import tune_process
from convscope.workers.settings import WorkerSettings
from convscope.workers.worker import Worker

log = structlog.get_logger()


def main() -> int:
    tune_process()  # for the children too, who load torch
    try:
        settings = CliApp.run(WorkerSettings)
    except ValidationError as error:
        configure_logs("console")
        log.error("cannot start", error=fault(error))
        return 1
    configure_logs(settings.log_format)
    return Worker(settings).run()


if __name__ == "__main__":
    sys.exit(main())
