"""A job is cancelled: while it waits, while it runs, at its last step, twice, and after its end."""

import time

import pytest

from convscope.client import Cancelled
from convscope.services.common.jobs.job import State
from tests.workers.jobs_cluster import JobsCluster


def test_one_that_waits_is_over_at_once(cluster: JobsCluster) -> None:
    busy = [cluster.visualize("slow", 60, seed=seed) for seed in range(2)]
    for one in busy:
        cluster.wait_for_step(one, 1)
    id = cluster.visualize("small", 5)
    job = cluster.client.job(id)
    job.cancel()
    assert job.state == "cancelled"
    assert cluster.states(id) == [State.QUEUED, State.CANCELLED]
    for one in busy:
        assert cluster.wait_for_end(one).state is State.SUCCEEDED
    assert cluster.job(id).attempts == 0, "no worker took it"
    with pytest.raises(Cancelled):
        job.result(timeout=5)


def test_one_that_runs_is_over_within_a_second(cluster: JobsCluster) -> None:
    id = cluster.visualize("slow", 1000)
    cluster.wait_for_step(id, 5)
    job = cluster.client.job(id)
    started = time.monotonic()
    job.cancel()
    assert cluster.wait_for_end(id, 2).state is State.CANCELLED
    assert time.monotonic() - started < 1
    job.cancel()  # once more does no harm
    assert job.state == "cancelled"
    assert cluster.files(id) == {}


def test_one_at_its_last_steps_is_whole_or_cancelled(cluster: JobsCluster) -> None:
    for late in range(6):
        id = cluster.visualize("slow", 12, seed=late)
        cluster.wait_for_step(id, 7 + late)
        cluster.client.job(id).cancel()
        job = cluster.wait_for_end(id)
        if job.state is State.SUCCEEDED:
            assert not job.cancel_requested, "it was over before"
            assert len(cluster.files(id)) == 4
        else:
            assert job.state is State.CANCELLED
            assert cluster.files(id) == {}


def test_one_that_has_ended_stays_as_it_is(cluster: JobsCluster) -> None:
    id = cluster.visualize("small", 5)
    before = cluster.wait_for_end(id)
    cluster.client.job(id).cancel()
    assert cluster.job(id) == before
    assert before.state is State.SUCCEEDED


def test_one_whose_worker_has_gone_is_cancelled_by_the_reaper(own_cluster: JobsCluster) -> None:
    (worker,) = own_cluster.start_workers()
    id = own_cluster.visualize("slow", 1000)
    own_cluster.wait_for_step(id, 5)
    worker.kill()
    own_cluster.client.job(id).cancel()
    assert own_cluster.wait_for_end(id, 10).state is State.CANCELLED
    assert own_cluster.job(id).attempts == 1
