"""python -m convscope.services.jobs: serve until SIGTERM or Ctrl-C."""

import sys

from convscope.services.common.program import run
from convscope.services.jobs.part import JobsPart
from convscope.services.jobs.settings import JobsSettings

if __name__ == "__main__":
    sys.exit(run(JobsSettings, JobsPart))
