"""Long work through a local cluster: how soon it begins, what the service adds to the loop, how soon it goes on."""

import os
import signal
import statistics
import tempfile
import time
import uuid
from dataclasses import replace
from pathlib import Path

import redis
import torch

from benchmarks.machine import THREADS
from convscope.client import Client, Progress
from convscope.client.cli.demo import MODEL, local_cluster
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.recipes import DEFAULT_RECIPE, RECIPES
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.events import events_after
from convscope.services.common.jobs.job import NewJob
from convscope.services.common.jobs.job import Progress as Step
from convscope.services.common.jobs.kinds import VISUALIZE_CLASS
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.store import connect
from convscope.services.common.store_address import StoreAddress
from convscope.workers.flag import Flag
from convscope.workers.job_run import JobRun
from convscope.workers.settings import WorkerSettings
from convscope.workers.warm_models import WarmModels

TARGET = 281
JOBS, STEPS, ROUNDS, KILLS, CLASSES = 30, 300, 5, 20, 8


def run() -> None:
    with local_cluster(concurrency=1, threads=THREADS) as addresses, Client.connect(addresses["server"]) as client:
        make(client, steps=2)  # loads the model
        print("| submit, model warm | median | worst | at most |\n|---|---|---|---|")
        print(_latencies(client), flush=True)
        print("\n| what | ratio | at most |\n|---|---|---|")
        print(_overhead(addresses["store"]), flush=True)
        print(_batch(client), flush=True)
    with (
        local_cluster(concurrency=2, threads=1) as addresses,
        Client.connect(addresses["server"]) as client,
        redis.Redis.from_url(addresses["store"]) as store,
    ):
        for _ in range(2):
            make(client, steps=2)
        print(f"\n| kill -9 of the child, {KILLS} times | median, s | worst, s | at most |\n|---|---|---|---|")
        print(_recovery(client, store), flush=True)


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


def _overhead(redis_url: str) -> str:
    """A worker's way of running a job beside a bare loop of the same mathematics, in turn, in this process."""
    torch.set_num_threads(THREADS)
    parameters = RECIPES[DEFAULT_RECIPE].with_overrides({"steps": STEPS})
    told = {"recipe": DEFAULT_RECIPE, "parameters": parameters.model_dump(mode="json")}
    spec = {"targets": [TARGET], **told, "preview_seconds": 2.0}
    with tempfile.TemporaryDirectory() as folder:
        settings = WorkerSettings(checkpoint_seconds=5)
        artifacts = Artifacts(Path(folder).as_uri())
        models = WarmModels(Catalogue.read(), "cpu", settings.model_memory, lambda model: None)
        store = connect(StoreAddress(redis_url))
        records = JobRecords(store, ["benchmark"])

        def bare() -> float:
            synthesis = class_visualization(models.get(MODEL), [TARGET], parameters)
            synthesis.advance()
            started = time.perf_counter()
            while not synthesis.over:
                synthesis.advance()
            return time.perf_counter() - started

        def served() -> float:
            new = NewJob(uuid.uuid4().hex, "benchmark", MODEL, spec, "me")
            records.accept(new, limit=9, caller_limit=9, retention=60)
            lease = records.claim("benchmark", "me", settings.lease_seconds)
            assert lease is not None
            lease = replace(lease, kind=VISUALIZE_CLASS)
            JobRun(
                lease,
                records=records,
                artifacts=artifacts,
                store=store,
                models=models,
                leaving=Flag(),
                settings=settings,
            )()
            steps = [event.time for event in events_after(store, new.id, 0) if isinstance(event.what, Step)]
            return steps[-1] - steps[0]

        bare()
        served()
        times = [(bare(), served()) for _ in range(ROUNDS)]
    ratio = statistics.median(after for _, after in times) / statistics.median(before for before, _ in times)
    return f"| a job's loop with progress, previews and checkpoints, over the bare loop | **{ratio:.3f}** | 1.05 |"


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
