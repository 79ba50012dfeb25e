"""python -m convscope.services.attribution: serve until SIGTERM or Ctrl-C."""

import os

from convscope.services.attribution.tuning import tune_process


def main() -> int:
    tune_process()
    from convscope.services.attribution.run import run

    return run()


if __name__ == "__main__":
    # Not sys.exit: that would wait for threads, and a team's factory that hangs must not keep the process.
    os._exit(main())
