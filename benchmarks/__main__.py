"""python -m benchmarks [NAME ...]: run all benchmarks, or the named ones, and print their tables."""

import sys
from collections.abc import Callable, Mapping

from benchmarks import (
    adversarial,
    cold_start,
    grad_cam,
    gradients,
    indexing,
    jobs,
    latency,
    machine,
    masks,
    occlusion,
    page,
    precision,
    priors,
    projection,
    searching,
    sentences,
    synthesis,
    threads,
    throughput,
)
from benchmarks.scaling import run as scaling

BENCHMARKS: Mapping[str, Callable[[], None]] = {
    "grad_cam": grad_cam.run,
    "gradients": gradients.run,
    "occlusion": occlusion.run,
    "masks": masks.run,
    "precision": precision.run,
    "synthesis": synthesis.run,
    "adversarial": adversarial.run,
    "priors": priors.run,
    "jobs": jobs.run,
    "indexing": indexing.run,
    "searching": searching.run,
    "projection": projection.run,
    "sentences": sentences.run,
    "page": page.run,
    "threads": threads.run,
    "latency": latency.run,
    "throughput": throughput.run,
    "cold_start": cold_start.run,
    "scaling": scaling.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}\n")
        return 2
    print(machine.describe())
    for name in names or BENCHMARKS:
        print()
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
