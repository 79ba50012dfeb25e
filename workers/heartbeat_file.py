"""The file by which others see that a worker lives."""

import time
from pathlib import Path


def beats(file: Path, within: float) -> bool:
    """Whether the worker of that file took jobs so many seconds ago."""
    try:
        return time.time() - file.stat().st_mtime <= within
    except OSError:
        return False
