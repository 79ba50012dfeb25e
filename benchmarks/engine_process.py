"""The same work by the engine, in a process of its own: a waiting OpenMP thread of this process would otherwise take a
core from the server that is measured next.

    python -m benchmarks.engine_process plain|tuned BATCH SECONDS      prints the median time of a batch, seconds

tuned: the process is told before what the server is told (services/common/tuning.py).
"""

import statistics
import subprocess
import sys
import time

from convscope.services.common.tuning import tune_process


def batch_seconds(kind: str, batch: int, seconds: float = 2.0) -> float:
    """Run this file; kind: plain or tuned."""
    command = [sys.executable, "-m", "benchmarks.engine_process", kind, str(batch), str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(kind: str, batch: int, seconds: float) -> float:
    if kind == "tuned":
        tune_process()
    import torch

    from benchmarks.machine import DEVICE, THREADS
    from benchmarks.pictures import MODEL, in_process, photograph
    from convscope.engine.models.catalogue import Catalogue

    torch.set_num_threads(THREADS)
    model = Catalogue.read().load(MODEL, device=DEVICE)
    jpegs = [photograph()] * batch
    for _ in range(5):
        in_process(model, jpegs)
    times: list[float] = []
    while sum(times) < seconds:
        started = time.perf_counter()
        in_process(model, jpegs)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
