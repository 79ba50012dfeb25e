"""Where and when a table was measured."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch
import torchvision

THREADS = 2
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def describe() -> str:
    """One line: date, processor, versions."""
    if DEVICE == "cuda":
        processor = torch.cuda.get_device_name()
    else:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}"
    today = datetime.now(UTC).date()
    return (
        f"{today}, {processor}, {THREADS} torch threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    )


def synchronize() -> None:
    """Wait until the device has done what it was told."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
