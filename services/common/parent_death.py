"""A process that ends with its parent, however that ends (Linux; elsewhere nothing happens)."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
# Loaded before a fork: between fork and exec nothing may be.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def on_parent_death(number: signal.Signals) -> None:
    """Let this process get a signal when its parent dies."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)
