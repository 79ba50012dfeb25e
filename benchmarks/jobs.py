"""Long work through a local cluster: how soon it begins, what the service adds to the loop, how soon it goes on."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from benchmarks.machine import THREADS
from convscope.client import Client, Progress

MODEL, TARGET = "efficientnet_lite0", 281
JOBS, STEPS, ROUNDS, KILLS, CLASSES = 30, 400, 3, 20, 8


def run() -> None:
    with cluster(concurrency=1, threads=THREADS) as (client, _):
        make(client, steps=2)  # loads the model
        print("| submit, model warm | median | worst | at most |\n|---|---|---|---|")
        print(_latencies(client), flush=True)
        print("\n| what | ratio | at most |\n|---|---|---|")
        print(_overhead(client), flush=True)
        print(_batch(client), flush=True)
    with cluster(concurrency=2, threads=1) as (client, store):
        for _ in range(2):
            make(client, steps=2)
        print(f"\n| kill -9 of the child, {KILLS} times | median, s | worst, s | at most |\n|---|---|---|---|")
        print(_recovery(client, store), flush=True)


@contextmanager
def cluster(**settings: int) -> Iterator[tuple[Client, "redis.Redis"]]:
    """`convscope up` in a folder that is thrown away."""
    environment = os.environ | {f"CONVSCOPE_{name.upper()}": str(value) for name, value in settings.items()}
    with tempfile.TemporaryDirectory(prefix="convscope-jobs-") as folder:
        command = [sys.executable, "-m", "convscope.services.local", "--data-dir", folder, "--port", "0"]
        process = subprocess.Popen([*command, "--models", MODEL], env=environment, stderr=subprocess.DEVNULL)
        try:
            addresses = Path(folder) / "cluster.json"
            while not addresses.exists():
                time.sleep(0.1)
            found = json.loads(addresses.read_text(encoding="utf-8"))
            with Client.connect(found["server"]) as client, redis.Redis.from_url(found["store"]) as store:
                yield client, store
        finally:
            process.terminate()
            process.wait()


def make(client: Client, *, steps: int, target: int | list[int] = TARGET) -> float:
    """Seconds that a job takes, from submit to its end."""
    started = time.perf_counter()
    job = client.visualize_class(model=MODEL, target=target, steps=steps)
    for _ in job.watch():
        pass
    return time.perf_counter() - started


def _latencies(client: Client) -> str:
    accepted, first = [], []
    for _ in range(JOBS):
        started = time.perf_counter()
        job = client.visualize_class(model=MODEL, target=TARGET, steps=3)
        accepted.append((time.perf_counter() - started) * 1000)
        for event in job.watch():
            if isinstance(event, Progress) and event.step == 1:
                first.append((time.perf_counter() - started) * 1000)
    rows = (("to accepted", accepted, ""), ("to the first step's event", first, "150"))
    return "\n".join(
        f"| {what} | **{statistics.median(times):.0f} ms** | {max(times):.0f} ms | {most} |"
        for what, times, most in rows
    )


def _overhead(client: Client) -> str:
    """The job's loop, as its own events time it, beside a bare loop of the same mathematics, in turn."""
    bare, served = [], []
    command = [sys.executable, "-m", "benchmarks.bare_loop", MODEL, str(TARGET), str(STEPS), str(THREADS)]
    for _ in range(ROUNDS):
        bare.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        job = client.visualize_class(model=MODEL, target=TARGET, steps=STEPS)
        times = {event.step: event.time for event in job.watch() if isinstance(event, Progress)}
        served.append((times[STEPS] - times[1]).total_seconds())
    ratio = statistics.median(served) / statistics.median(bare)
    return f"| a step of a job, progress, previews and checkpoints on, over a bare step | **{ratio:.3f}** | 1.05 |"


def _batch(client: Client) -> str:
    together = make(client, steps=20, target=list(range(CLASSES)))
    started = time.perf_counter()
    jobs = [client.visualize_class(model=MODEL, target=target, steps=20) for target in range(CLASSES)]
    for job in jobs:
        for _ in job.watch():
            pass
    apart = time.perf_counter() - started
    return f"| {CLASSES} classes in one job over {CLASSES} jobs | **{together / apart:.2f}** | |"


def _recovery(client: Client, store: "redis.Redis") -> str:
    """From the kill to the first step of the next attempt."""
    times = []
    for _ in range(KILLS):
        job = client.visualize_class(model=MODEL, target=TARGET, steps=400)
        killed = 0.0
        for event in job.watch():
            if isinstance(event, Progress) and killed:
                times.append(time.perf_counter() - killed)
                break
            if isinstance(event, Progress) and event.step >= 20:
                owner = store.hget(f"convscope:{job.name.replace('jobs/', 'job:')}", "owner")
                assert isinstance(owner, bytes)
                os.kill(int(owner.rpartition(b"-")[2]), signal.SIGKILL)
                killed = time.perf_counter()
        job.cancel()
        for _ in job.watch():
            pass
    return f"| to the next attempt's first step | **{statistics.median(times):.1f}** | **{max(times):.1f}** | 10 |"
