"""python -m convscope.services.all_in_one: serve everything until SIGTERM or Ctrl-C."""

import os

from convscope.services.common.tuning import tune_process


def main() -> int:
    tune_process()
    from convscope.services.all_in_one.settings import AllSettings
    from convscope.services.attribution.part import AttributionPart
    from convscope.services.common.program import run
    from convscope.services.jobs.part import JobsPart

    return run(AllSettings, AttributionPart, JobsPart)


if __name__ == "__main__":
    # Not sys.exit: that would wait for threads, and a team's factory that hangs must not keep the process.
    os._exit(main())
