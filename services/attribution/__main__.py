"""python -m convscope.services.attribution: serve until SIGTERM or Ctrl-C."""

import os

from convscope.services.common.tuning import tune_process


def main() -> int:
    tune_process()
    from convscope.services.attribution.part import AttributionPart
    from convscope.services.attribution.settings import AttributionSettings
    from convscope.services.common.program import run

    return run(AttributionSettings, AttributionPart)


if __name__ == "__main__":
    # Not sys.exit: that would wait for threads, and a team's factory that hangs must not keep the process.
    os._exit(main())
