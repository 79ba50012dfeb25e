"""Unit costs, measured on this machine with real processes."""

import threading
import time
from collections.abc import Callable, Sequence

from benchmarks.scaling.cluster import Processes, store_seconds
from benchmarks.scaling.costs import JobCosts, WorkCosts
from convscope.client import Client, Job, JobInfo
from convscope.services.common.jobs.job import Lease, Progress
from convscope.services.common.jobs.kinds import KINDS, VISUALIZE_CLASS
from convscope.services.common.jobs.records import JobRecords

JOBS, TELLS = 300, 3000
WATCHED, EVENTS, TELL_RATE = 10, 100, 20.0
IDLE_SECONDS = 10.0
POLL_SECONDS = 1.0
PREVIEW = b"\xff\xd8" + bytes(4000)
RECIPE = "simonyan2013"
LEASE_SECONDS = 600.0


def submit(client: Client, model: str, steps: int) -> Job:
    return client.visualize_class(model=model, target=1, recipe=RECIPE, steps=steps, preview_seconds=2.0)


def job_costs(running: Processes, client: Client) -> JobCosts:
    """By a jobs server without workers."""
    records = JobRecords(running.store, KINDS)

    def store_cost(times: int, act: Callable[[], object]) -> float:
        before = store_seconds(running.store)
        for _ in range(times):
            act()
        return (store_seconds(running.store) - before) / times

    before = running.processor_seconds("server")
    time.sleep(IDLE_SECONDS)
    idle = (running.processor_seconds("server") - before) / IDLE_SECONDS
    before = running.processor_seconds("server")
    accept_store = store_cost(JOBS, lambda: submit(client, "resting", 20))
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
    return JobCosts(
        accept_server=accept_server,
        accept_store=accept_store,
        claim_store=claim_store,
        tell_store=tell_store,
        renew_store=renew_store,
        finish_store=finish_store,
        event_server=event_server,
        event_store=event_store,
        idle_server=idle,
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


def work_costs(running: Processes, client: Client, model: str, *, short: int, long: int, jobs: int) -> WorkCosts:
    """Of the one worker that runs: from jobs of few steps and of many, so many of each."""
    _finished(client, 1, model, short)  # the model is loaded
    spent, wall = {}, {}
    for steps in (short, long):
        before = running.processor_seconds("worker")
        ran = _finished(client, jobs, model, steps)
        spent[steps] = (running.processor_seconds("worker") - before) / jobs
        wall[steps] = 1 / _rate(ran, 1)
    step_worker = (spent[long] - spent[short]) / (long - short)
    step = (wall[long] - wall[short]) / (long - short)
    job_worker = max(0.0, spent[short] - short * step_worker)
    return WorkCosts(
        step_device=max(0.0, step - step_worker),
        step_worker=step_worker,
        job_worker=job_worker,
        job_wait=max(0.0, wall[short] - short * step - job_worker),
        job_bytes=sum(artifact.size for artifact in ran[-1].artifacts),
    )


def throughput(client: Client, model: str, *, steps: int, workers: int, jobs: int) -> float:
    """Jobs a second of the workers that run, each busy all the time; jobs: for each of them."""
    _finished(client, 2 * workers, model, 2)  # each has loaded the model
    return _rate(_finished(client, workers * jobs, model, steps), workers)


def _rate(jobs: Sequence[JobInfo], workers: int) -> float:
    """Jobs a second, from when every worker has done one until the queue is empty."""
    ended = sorted(job.ended.timestamp() for job in jobs if job.ended is not None)
    empty = max(job.started.timestamp() for job in jobs if job.started is not None)
    counted = [at for at in ended if ended[workers - 1] <= at <= empty]
    return (len(counted) - 1) / (counted[-1] - counted[0])


def _finished(client: Client, count: int, model: str, steps: int) -> list[JobInfo]:
    """Jobs that have ended, which were asked for in one go."""
    jobs = [submit(client, model, steps) for _ in range(count)]
    for job in jobs:
        # Seldom: who asks takes the processor away from who works.
        while not job.info().over:
            time.sleep(POLL_SECONDS)
    infos = [job.info() for job in jobs]
    assert all(info.state == "succeeded" for info in infos), infos
    return infos
