"""What a process must be told before it loads torch, to compute well on a CPU. Measured in docs/benchmarks.md."""

import ctypes
import os

# glibc's mallopt: numbers from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
GIBIBYTE = 1 << 30
# Turns of a waiting OpenMP thread, about half a millisecond: enough to bridge the gap between two operators, and no
# longer, because the core is also the one that decodes pictures. libgomp's own 300000 are some ten milliseconds.
SPINS = "10000"


def tune_process() -> None:
    """Call it before torch is imported; what the environment says already stays."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # not glibc
        return
    # Activations of tens of megabytes are freed and wanted again at every operator: memory that went back to the
    # kernel in between would have to be cleared and mapped each time.
    mallopt(M_MMAP_THRESHOLD, GIBIBYTE)
    mallopt(M_TRIM_THRESHOLD, GIBIBYTE)
    mallopt(M_ARENA_MAX, 1)
