"""python -m convscope.workers.probe: whether the worker of CONVSCOPE_HEARTBEAT_FILE takes jobs; for Kubernetes."""

import argparse
import os
import sys
import time
from pathlib import Path


def main() -> int:
    """Exit status 0: it does."""
    parser = argparse.ArgumentParser(prog="convscope.workers.probe", description=__doc__)
    parser.add_argument("--within", type=float, default=10.0, help="Seconds since its last beat; default 10.")
    parser.add_argument("--file", type=Path, default=os.environ.get("CONVSCOPE_HEARTBEAT_FILE"))
    parser.add_argument("--alive", action="store_true", help="Whether it lives, also where it waits for its store.")
    options = parser.parse_args()
    if options.file is None:
        parser.error("no heartbeat file: give --file or CONVSCOPE_HEARTBEAT_FILE")
    file = Path(options.file)
    return 0 if beats(alive_file(file) if options.alive else file, options.within) else 1


def alive_file(heartbeat_file: Path) -> Path:
    """What is touched beside it, also while the store is away and the worker waits for it."""
    return heartbeat_file.with_name(heartbeat_file.name + ".alive")


def beats(file: Path, within: float) -> bool:
    """Whether the worker has touched that file within so many seconds."""
    try:
        return time.time() - file.stat().st_mtime <= within
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
