"""A worker's /metrics page: what its children did, also those that are no more."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import wait_until
from tests.workers.jobs_cluster import JobsCluster, WorkerProcess, jobs_cluster

KIND = {"kind": "visualize_class"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[JobsCluster]:
    with jobs_cluster(tmp_path) as cluster:
        yield cluster


def outcome(worker: WorkerProcess, what: str) -> float:
    return worker.metric("convscope_worker_attempts_total", **KIND, outcome=what)


def test_a_job_moves_every_metric(own: JobsCluster) -> None:
    (worker,) = own.start_workers()
    id = own.visualize(model="slow", steps=80)
    own.wait_for_step(id, 5)
    assert worker.metric("convscope_worker_jobs_running", **KIND) == 1
    assert worker.metric("convscope_worker_checkpoint_timestamp_seconds") > 1e9
    own.wait_for_end(id)
    wait_until(lambda: outcome(worker, "succeeded") == 1, "the attempt to be counted")
    assert worker.metric("convscope_worker_jobs_running") == 0
    assert worker.metric("convscope_worker_checkpoint_timestamp_seconds") == 0
    assert worker.metric("convscope_worker_steps_total", **KIND, model="slow") == 80
    assert worker.metric("convscope_worker_attempt_seconds_count", **KIND) == 1
    assert worker.metric("convscope_worker_checkpoint_seconds_count", **KIND) >= 1


def test_the_time_of_the_last_checkpoint_goes_on(own: JobsCluster) -> None:
    (worker,) = own.start_workers()
    id = own.visualize(model="slow", steps=2000)
    own.wait_for_step(id, 5)

    def when() -> float:
        return worker.metric("convscope_worker_checkpoint_timestamp_seconds")

    first = when()
    wait_until(lambda: when() > first, "another checkpoint")
    own.client.job(f"jobs/{id}").cancel()
    own.wait_for_end(id)
    wait_until(lambda: outcome(worker, "cancelled") == 1, "the cancelled attempt")


def test_what_a_killed_child_counted_stays_and_what_it_held_does_not(own: JobsCluster) -> None:
    (worker,) = own.start_workers()
    own.wait_for_end(own.visualize(steps=10))
    wait_until(lambda: outcome(worker, "succeeded") == 1, "the first job")
    id = own.visualize(model="slow", steps=5000)
    own.wait_for_step(id, 5)
    child = worker.child
    own.store.kill()  # nobody takes the job again
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: worker.metric("convscope_worker_jobs_running") == 0, "the job to be let go")
    assert outcome(worker, "succeeded") == 1
    assert worker.metric("convscope_worker_steps_total", **KIND, model="small") == 10


def test_a_hand_over_is_no_failure(own: JobsCluster) -> None:
    (worker,) = own.start_workers()
    id = own.visualize(model="slow", steps=3000)
    own.wait_for_step(id, 3)
    worker.process.terminate()
    wait_until(lambda: own.job(id).state == "queued", "the hand-over")
    assert own.job(id).attempts == 0
    worker.wait_until_ended()


def test_a_port_that_is_taken_is_said_at_the_start(own: JobsCluster) -> None:
    taken = own.server.metrics_url.split(":")[2].split("/")[0]
    worker = WorkerProcess(**{**own.settings(), "metrics_port": taken})
    assert worker.wait_until_ended() == 1
    assert f"cannot serve metrics on 127.0.0.1:{taken}" in worker.log[-1]
