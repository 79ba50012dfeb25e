"""Every kind of work, however it goes uphill, goes on from its checkpoint and makes the same to the byte."""

import os
import random
import signal

import pytest

from convscope.services.common.jobs.job import Job, State
from tests.processes import wait_until
from tests.workers.asking import LONG
from tests.workers.jobs_cluster import JobsCluster


def checkpointed(cluster: JobsCluster, id: str) -> int:
    """The step of the last checkpoint; 0 before there is one."""
    path = cluster.redis.hget(f"convscope:job:{id}", "checkpoint")
    return int(path.decode().rpartition("-")[2]) if isinstance(path, bytes) else 0


def begun(job: Job) -> int:
    assert not job.state.ended, "it was over before it could be disturbed"
    return job.progress.step if job.progress else 0


@pytest.mark.parametrize("what", LONG)
def test_a_killed_worker_loses_nothing(what: str, cluster: JobsCluster) -> None:
    undisturbed = cluster.wait_for_end(cluster.hand_in(LONG[what]()))
    assert undisturbed.state is State.SUCCEEDED, undisturbed.failure
    assert undisturbed.progress is not None
    id = cluster.hand_in(LONG[what]())
    wait_until(lambda: checkpointed(cluster, id) > 0, "a checkpoint")
    step = random.randint(1, undisturbed.progress.step // 2)
    wait_until(lambda: begun(cluster.job(id)) >= step, f"step {step}")
    worker = cluster.worker_of(id)
    os.kill(worker.child, signal.SIGKILL)
    job = cluster.wait_for_end(id)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2), job.failure
    lines = [line for one in cluster.workers for line in one.log if id in line and '"begins"' in line]
    assert sum("the beginning" in line for line in lines) == 1, "the second attempt went on from a checkpoint"
    assert cluster.files(id) == cluster.files(undisturbed.id)
    assert job.result == undisturbed.result
    worker.wait_until_it_takes_jobs()


def test_a_worker_that_is_asked_to_leave_hands_an_attack_on(cluster: JobsCluster) -> None:
    undisturbed = cluster.wait_for_end(cluster.hand_in(LONG["attack"]()))
    id = cluster.hand_in(LONG["attack"]())
    wait_until(lambda: begun(cluster.job(id)) >= 3, "some steps")
    worker = cluster.worker_of(id)
    assert worker.stop() == 0
    cluster.workers.remove(worker)
    job = cluster.wait_for_end(id)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1), "a hand-over is no attempt"
    assert cluster.files(id) == cluster.files(undisturbed.id)
    assert job.result == undisturbed.result
    cluster.start_workers()
