"""The cores that this process may use, which in a container are fewer than the machine has."""

import math
import os
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def cores(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Those it may be scheduled on, or as many as its container's quota of CPU time is worth (cgroup v2), rounded down:
    one thread too many makes all others wait for it until the next period. At least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(allowed, _quota(cgroups, own))))


def _quota(cgroups: Path, own: Path) -> float:
    """The least of its cgroup and of those around it, in cores."""
    try:
        (path,) = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::")]
    except (OSError, ValueError):
        return math.inf
    # A container that sees its own cgroup only is at the root of what it sees.
    cgroup = PurePosixPath("/") / path
    within = [cgroup, *cgroup.parents]
    return min(_of(cgroups / place.relative_to("/") / "cpu.max") for place in within)


def _of(file: Path) -> float:
    try:
        time, period = file.read_text().split()
        return int(time) / int(period)
    except (OSError, ValueError):  # it is not there, or "max"
        return math.inf
