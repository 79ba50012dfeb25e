"""Several ways to do one thing, timed in turn, so that a noisy machine disturbs all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks.machine import synchronize


def in_turn(ways: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 3) -> dict[str, float]:
    """The median time of each way, seconds."""
    for way in ways.values():
        for _ in range(warm_up):
            way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            synchronize()
            started = time.perf_counter()
            way()
            synchronize()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}
