"""python -m convscope.services.attribution: serve until SIGTERM or Ctrl-C."""

import sys

from convscope.services.attribution.tuning import tune_process


def main() -> int:
    tune_process()
    from convscope.services.attribution.run import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
