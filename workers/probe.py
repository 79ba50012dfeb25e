"""python -m convscope.workers.probe: whether the worker of CONVSCOPE_HEARTBEAT_FILE takes jobs; for Kubernetes."""

import argparse
import os
import sys
from pathlib import Path

from convscope.workers.heartbeat_file import beats


def main() -> int:
    """Exit status 0: it does."""
    parser = argparse.ArgumentParser(prog="convscope.workers.probe", description=__doc__)
    parser.add_argument("--within", type=float, default=10.0, help="Seconds since its last beat; default 10.")
    parser.add_argument("--file", type=Path, default=os.environ.get("CONVSCOPE_HEARTBEAT_FILE"))
    options = parser.parse_args()
    if options.file is None:
        parser.error("no heartbeat file: give --file or CONVSCOPE_HEARTBEAT_FILE")
    return 0 if beats(Path(options.file), options.within) else 1


if __name__ == "__main__":
    sys.exit(main())
