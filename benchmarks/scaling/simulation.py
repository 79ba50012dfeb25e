"""A cluster for long work, as queues before what can be busy: workers, cores, the store, jobs servers."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from benchmarks.scaling.costs import RENEW_SECONDS, TOLD_SECONDS, JobCosts, WorkCosts

Waiting = Generator[simpy.Event, Any, None]
# Of a processor that others want too: it is handed on after so long, as an operating system does.
SLICE_SECONDS = 0.01
# Between two times at which a jobs server looks around.
CARE_SECONDS = 0.5


@dataclass(frozen=True)
class Cluster:
    """What there is."""

    workers: int
    """Children that take jobs: one for each GPU."""
    jobs_servers: int = 1
    cores: int | None = None
    """That all parts share; None: each part has its own, as on nodes of their own."""
    watchers: int = 1
    """Callers that watch each job."""


@dataclass(frozen=True)
class Load:
    """What it is asked: as many jobs as it takes to keep all workers busy."""

    steps: int
    """Of each job."""


@dataclass(frozen=True)
class Outcome:
    """What came of it. Parts of the time for which each was busy, 0 to 1."""

    jobs_per_second: float
    workers: float
    store: float
    servers: float
    artifact_bytes_per_second: float


class Simulation:
    """Counts from when every worker has begun until each has done `jobs`, on the average."""

    def __init__(self, cluster: Cluster, load: Load, costs: JobCosts, work: WorkCosts) -> None:
        self._cluster, self._load, self._costs, self._work_costs = cluster, load, costs, work
        self._clock = simpy.Environment()
        self._store = simpy.Resource(self._clock)
        self._servers = simpy.Resource(self._clock, cluster.jobs_servers)
        self._cores = None if cluster.cores is None else simpy.Resource(self._clock, cluster.cores)
        self._busy = {"workers": 0.0, "store": 0.0, "servers": 0.0}
        self._over = self._clock.event()
        self._wanted = 0
        self._done = 0
        self._bytes = 0.0

    def run(self, jobs: int) -> Outcome:
        """jobs: for each worker."""
        for number in range(self._cluster.workers):
            self._clock.process(self._worker(number))
        if self._costs.idle_server:
            for _ in range(self._cluster.jobs_servers):
                self._clock.process(self._take_care())
        self._clock.run(self._alone())
        self._busy = dict.fromkeys(self._busy, 0.0)
        self._done, self._bytes, self._wanted = 0, 0.0, jobs * self._cluster.workers
        begun = self._clock.now
        self._clock.run(self._over)
        seconds = float(self._clock.now - begun)
        return Outcome(
            self._done / seconds,
            self._busy["workers"] / seconds / self._cluster.workers,
            self._busy["store"] / seconds,
            self._busy["servers"] / seconds / self._cluster.jobs_servers,
            self._bytes / seconds,
        )

    def _worker(self, number: int) -> Waiting:
        costs, work = self._costs, self._work_costs
        # Not all in step: they did not start in the same moment.
        yield self._clock.timeout(number / self._cluster.workers * self._alone())
        while True:
            self._clock.process(self._accept())
            yield from self._ask_store(costs.claim_store)
            yield self._clock.timeout(work.job_wait)
            yield from self._work(work.job_worker, 0.0)
            yield from self._steps()
            yield from self._ask_store(costs.finish_store)
            self._bytes += work.job_bytes
            self._done += 1
            if self._done == self._wanted:
                self._over.succeed()

    def _alone(self) -> float:
        """Seconds of a job on a cluster of its own."""
        work = self._work_costs
        return work.job_worker + self._load.steps * (work.step_device + work.step_worker)

    def _steps(self) -> Waiting:
        """In groups of which one is told; leases are renewed beside."""
        work = self._work_costs
        each = work.step_device + work.step_worker
        group = max(1, math.ceil(TOLD_SECONDS / each))
        left = self._load.steps
        renewed = self._clock.now
        while left:
            count = min(group, left)
            left -= count
            yield from self._work(count * work.step_worker, count * work.step_device)
            yield from self._ask_store(self._costs.tell_store)
            for _ in range(self._cluster.watchers):
                self._clock.process(self._watched())
            if self._clock.now - renewed >= RENEW_SECONDS:
                renewed = self._clock.now
                self._clock.process(self._ask_store(self._costs.renew_store))

    def _work(self, processor: float, device: float) -> Waiting:
        yield from self._compute(processor)
        yield self._clock.timeout(device)
        self._busy["workers"] += processor + device

    def _take_care(self) -> Waiting:
        """What a jobs server does by itself."""
        while True:
            yield from self._serve(CARE_SECONDS * self._costs.idle_server)
            yield self._clock.timeout(CARE_SECONDS * (1 - self._costs.idle_server))

    def _accept(self) -> Waiting:
        yield from self._serve(self._costs.accept_server)
        yield from self._ask_store(self._costs.accept_store)

    def _watched(self) -> Waiting:
        yield from self._ask_store(self._costs.event_store)
        yield from self._serve(self._costs.event_server)

    def _ask_store(self, seconds: float) -> Waiting:
        yield from self._take(self._store, "store", seconds)

    def _serve(self, seconds: float) -> Waiting:
        yield from self._take(self._servers, "servers", seconds)

    def _take(self, part: simpy.Resource, name: str, seconds: float) -> Waiting:
        with part.request() as turn:
            yield turn
            yield from self._compute(seconds)
        self._busy[name] += seconds

    def _compute(self, seconds: float) -> Waiting:
        """On the part's own cores, or on those that all share, slice by slice."""
        if self._cores is None:
            yield self._clock.timeout(seconds)
            return
        while seconds > 0:
            piece = min(seconds, SLICE_SECONDS)
            with self._cores.request() as turn:
                yield turn
                yield self._clock.timeout(piece)
            seconds -= piece
