"""Unit costs, measured on this machine with real processes."""

import threading
import time
from collections.abc import Callable, Sequence

from benchmarks.scaling.cluster import Processes, store_seconds
from benchmarks.scaling.costs import JobCosts, StepCosts
from convscope.client import Client, Job
from convscope.services.common.jobs.job import Lease, Progress
from convscope.services.common.jobs.kinds import KINDS, VISUALIZE_CLASS
from convscope.services.common.jobs.records import JobRecords

JOBS, TELLS = 300, 3000
WATCHED, EVENTS, TELL_RATE = 10, 100, 20.0
SHORT, LONG, RUNS = 20, 120, 12
PREVIEW = b"\xff\xd8" + bytes(4000)
RECIPE = "simonyan2013"
LEASE_SECONDS = 600.0


def submit(client: Client, model: str, steps: int) -> Job:
    return client.visualize_class(model=model, target=1, recipe=RECIPE, steps=steps, preview_seconds=2.0)


def job_costs(running: Processes, client: Client) -> JobCosts:
    """By a jobs server without workers, then by a worker on a network that takes no processor time to speak of."""
    records = JobRecords(running.store, KINDS)

    def store_cost(times: int, act: Callable[[], object]) -> float:
        before = store_seconds(running.store)
        for _ in range(times):
            act()
        return (store_seconds(running.store) - before) / times

    before = running.processor_seconds("server")
    accept_store = store_cost(JOBS, lambda: submit(client, "resting", SHORT))
    accept_server = (running.processor_seconds("server") - before) / JOBS
    leases: list[Lease] = []

    def claim() -> None:
        lease = records.claim(VISUALIZE_CLASS, "benchmark", LEASE_SECONDS)
        assert lease is not None
        leases.append(lease)

    claim_store = store_cost(JOBS, claim)
    numbers = iter(range(1, 1 << 30))

    def tell() -> None:
        step = next(numbers)
        # One preview in forty: every two seconds, where one step is told in 50 ms.
        records.step(leases[0], LEASE_SECONDS, Progress(step, TELLS, 0.0, (1.0,)), PREVIEW if step % 40 == 0 else b"")

    tell_store = store_cost(TELLS, tell)
    renew_store = store_cost(TELLS, lambda: records.renew(leases[0], LEASE_SECONDS))
    event_server, event_store = _event_costs(running, client, records, leases[1 : WATCHED + 1], tell_store)
    rest = iter(leases)
    finish_store = store_cost(JOBS, lambda: records.succeed(next(rest), {}, []))
    worker, wait, size = _worker_costs(running, client)
    return JobCosts(
        accept_server=accept_server,
        accept_store=accept_store,
        claim_store=claim_store,
        tell_store=tell_store,
        renew_store=renew_store,
        finish_store=finish_store,
        event_server=event_server,
        event_store=event_store,
        job_worker=worker,
        claim_wait=wait,
        result_bytes=size,
    )


def _event_costs(
    running: Processes, client: Client, records: JobRecords, leases: Sequence[Lease], tell_store: float
) -> tuple[float, float]:
    """Of the jobs server and of the store, for an event that one caller watches, at the rate at which workers tell."""
    events = len(leases) * EVENTS

    def watch(lease: Lease) -> None:
        for seen, _ in enumerate(client.job(f"jobs/{lease.id}").watch(after=2), 1):
            if seen == EVENTS:
                return

    watching = [threading.Thread(target=watch, args=(lease,)) for lease in leases]
    for one in watching:
        one.start()
    time.sleep(1)
    server, store = running.processor_seconds("server"), store_seconds(running.store)
    for step in range(1, EVENTS + 1):
        for lease in leases:
            records.step(lease, LEASE_SECONDS, Progress(step, EVENTS, 0.0, (1.0,)))
        time.sleep(1 / TELL_RATE)
    for one in watching:
        one.join()
    server, store = running.processor_seconds("server") - server, store_seconds(running.store) - store
    return server / events, max(0.0, store / events - tell_store)


def _worker_costs(running: Processes, client: Client) -> tuple[float, float, float]:
    """Of a job beside its steps: processor seconds, seconds of waiting, bytes that it leaves."""
    running.start_worker("worker", CONVSCOPE_THREADS="1")
    _finished(client, 2, "resting", SHORT)  # the model is loaded
    before = running.processor_seconds("worker")
    jobs, seconds = _finished(client, RUNS, "resting", SHORT)
    short = (running.processor_seconds("worker") - before) / RUNS
    before = running.processor_seconds("worker")
    _, longer = _finished(client, RUNS, "resting", LONG)
    long = (running.processor_seconds("worker") - before) / RUNS
    step = (long - short) / (LONG - SHORT)
    job = max(0.0, short - SHORT * step)
    wall = (longer - seconds) / RUNS / (LONG - SHORT)
    wait = max(0.0, seconds / RUNS - SHORT * wall - job)
    size = sum(artifact.size for artifact in jobs[0].info().artifacts)
    return job, wait, size


def step_costs(running: Processes, client: Client, model: str) -> StepCosts:
    """Of a worker that runs; its model is loaded by the first job."""
    _finished(client, 1, model, 2)
    costs = []
    for steps in (SHORT, LONG):
        before = running.processor_seconds("worker")
        _, seconds = _finished(client, 3, model, steps)
        costs.append((running.processor_seconds("worker") - before, seconds))
    worker, wall = ((long - short) / 3 / (LONG - SHORT) for short, long in zip(*costs, strict=True))
    return StepCosts(device=max(0.0, wall - worker), worker=worker)


def throughput(client: Client, jobs: int, model: str, steps: int) -> float:
    """Jobs a second of the workers that run."""
    _, seconds = _finished(client, jobs, model, steps)
    return jobs / seconds


def _finished(client: Client, count: int, model: str, steps: int) -> tuple[list[Job], float]:
    """Jobs that have ended, and the seconds from the first's begin to the last's end."""
    jobs = [submit(client, model, steps) for _ in range(count)]
    infos = [job.info() for job in jobs]
    while not all(info.over for info in infos):
        time.sleep(0.2)
        infos = [job.info() for job in jobs]
    begun = min(info.started.timestamp() for info in infos if info.started is not None)
    ended = max(info.ended.timestamp() for info in infos if info.ended is not None)
    assert all(info.state == "succeeded" for info in infos), infos
    return jobs, ended - begun
