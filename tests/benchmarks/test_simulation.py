"""The simulation of docs/scaling.md, where it can be worked out by hand."""

from dataclasses import replace

import pytest

from benchmarks.scaling.costs import JobCosts, WorkCosts
from benchmarks.scaling.simulation import Cluster, Load, Outcome, Simulation

FREE = JobCosts(
    accept_server=0,
    accept_store=0,
    claim_store=0,
    tell_store=0,
    renew_store=0,
    finish_store=0,
    event_server=0,
    event_store=0,
    idle_server=0,
)
WORK = WorkCosts(step_device=0.05, step_worker=0.05, job_worker=0, job_wait=0, job_bytes=0)
LOAD = Load(steps=20)
"""Two seconds."""


def simulated(cluster: Cluster, costs: JobCosts = FREE, work: WorkCosts = WORK, jobs: int = 60) -> Outcome:
    return Simulation(cluster, LOAD, costs, work).run(jobs)


@pytest.mark.parametrize("workers", [1, 2, 7, 50])
def test_where_nothing_is_shared_workers_add_up(workers: int) -> None:
    found = simulated(Cluster(workers))
    assert found.jobs_per_second == pytest.approx(workers / 2, rel=0.05)
    assert found.workers == pytest.approx(1, abs=0.05)
    assert found.store == found.servers == 0


def test_a_jobs_own_costs_and_waiting_come_on_top() -> None:
    found = simulated(Cluster(1), work=replace(WORK, job_worker=0.5, job_wait=1.5, job_bytes=1000))
    assert found.jobs_per_second == pytest.approx(1 / 4, rel=0.05)
    assert found.workers == pytest.approx(2.5 / 4, rel=0.05)
    assert found.artifact_bytes_per_second == pytest.approx(250, rel=0.05)


def test_the_store_is_the_end_of_it() -> None:
    # 20 steps of 0.1 s are told one by one: 0.02 s each of the store's time is 0.4 s a job.
    costs = replace(FREE, tell_store=0.02)
    few, many = simulated(Cluster(2, watchers=0), costs), simulated(Cluster(50, watchers=0), costs)
    assert few.store == pytest.approx(few.jobs_per_second * 0.4, rel=0.05)
    assert many.jobs_per_second == pytest.approx(1 / 0.4, rel=0.05)
    assert many.store == pytest.approx(1, abs=0.02)
    assert many.workers < 0.2


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_events_that_are_watched_fill_the_jobs_servers(servers: int) -> None:
    costs = replace(FREE, event_server=0.01)
    found = simulated(Cluster(20, jobs_servers=servers, watchers=1), costs)
    # 20 workers tell ten steps a second each: two seconds of server time in a second.
    assert found.servers == pytest.approx(min(1, 2 / servers), abs=0.1)
    # Who watches holds up no worker.
    assert found.jobs_per_second == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(("workers", "speed"), [(1, 1), (2, 2), (4, 4), (8, 4)])
def test_shared_cores_are_shared(workers: int, speed: float) -> None:
    """Half of each step is the processor's: two cores carry four workers, and no more."""
    found = simulated(Cluster(workers, cores=2))
    assert found.jobs_per_second == pytest.approx(speed / 2, rel=0.12)


def test_a_server_that_nobody_asks_takes_its_part_of_the_cores() -> None:
    busy = replace(FREE, idle_server=0.5)
    assert simulated(Cluster(1, watchers=0), busy).servers == pytest.approx(0.5, abs=0.05)
    # A step is half the processor's: two workers fill one core by themselves.
    alone, beside = (simulated(Cluster(2, cores=1, watchers=0), costs).jobs_per_second for costs in (FREE, busy))
    assert alone == pytest.approx(1, rel=0.12)
    assert beside < 0.8 * alone


def test_short_steps_are_told_in_groups() -> None:
    costs = replace(FREE, tell_store=0.001)
    found = simulated(Cluster(1, watchers=0), costs, replace(WORK, step_device=0.005, step_worker=0.0))
    # A step of 5 ms is told with nine others: twice in a job of 20.
    assert found.store == pytest.approx(2 * 0.001 * found.jobs_per_second, rel=0.05)


def test_the_same_is_the_same() -> None:
    costs = replace(FREE, tell_store=0.003, event_server=0.002)
    assert simulated(Cluster(9), costs) == simulated(Cluster(9), costs)
