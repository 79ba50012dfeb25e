"""Workers are killed, stopped, asked to leave: a job goes on elsewhere, and what it makes is the same to the byte."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from convscope.services.common.jobs.job import State
from tests.processes import wait_until
from tests.workers.jobs_cluster import CHECKPOINT_SECONDS, LEASE_SECONDS, JobsCluster, pause

STEPS = 150
MADE_BY_STEPS = ("image-0.png", "values.npy", "history.json", "way.gif")
RECOVERY_SECONDS = 10


@pytest.fixture(scope="module")
def undisturbed(cluster: JobsCluster) -> dict[str, bytes]:
    """What the job makes when nobody disturbs it."""
    id = cluster.visualize("slow", STEPS, seed=3)
    assert cluster.wait_for_end(id).state is State.SUCCEEDED
    files = cluster.files(id)
    assert sorted(files) == sorted(MADE_BY_STEPS)
    return files


def begun(cluster: JobsCluster, least: int) -> tuple[str, int]:
    """A job that has told a random step, a checkpoint behind it; with that step."""
    id = cluster.visualize("slow", STEPS, seed=3)
    step = random.randint(least, STEPS // 2)
    cluster.wait_for_step(id, step)
    wait_until(lambda: cluster.redis.hget(f"convscope:job:{id}", "checkpoint"), "a checkpoint")
    return id, step


@pytest.mark.parametrize("whole", [False, True], ids=["the child", "the whole worker"])
def test_a_killed_worker_loses_nothing(cluster: JobsCluster, undisturbed: dict[str, bytes], whole: bool) -> None:
    id, _ = begun(cluster, 5)
    worker = cluster.worker_of(id)
    child, killed = worker.child, time.monotonic()
    os.kill(worker.process.pid if whole else child, signal.SIGKILL)
    wait_until(lambda: cluster.job(id).attempts == 2, "another attempt", RECOVERY_SECONDS)
    wait_until(lambda: cluster.states(id)[-1] is State.RUNNING, "it to run again", RECOVERY_SECONDS)
    assert time.monotonic() - killed < RECOVERY_SECONDS
    job = cluster.wait_for_end(id)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2)
    assert cluster.states(id) == [State.QUEUED, State.RUNNING, State.QUEUED, State.RUNNING, State.SUCCEEDED]
    assert cluster.files(id) == undisturbed
    assert at_the_beginning(cluster, id) == 1, "the second attempt went on from a checkpoint"
    if whole:
        worker._ended(10)
        wait_until(lambda: not Path(f"/proc/{child}").exists(), "the child to end with its parent")
        cluster.workers.remove(worker)
        cluster.start_workers()
    else:
        worker.wait_until_it_takes_jobs()


def at_the_beginning(cluster: JobsCluster, id: str) -> int:
    """How many attempts began with the first step: those that told one not after their forerunner's checkpoint."""
    lines = [line for worker in cluster.workers for line in worker.log if id in line and '"begins"' in line]
    return sum("the beginning" in line for line in lines)


def test_a_worker_that_is_asked_to_leave_hands_its_job_on(cluster: JobsCluster, undisturbed: dict[str, bytes]) -> None:
    id, _ = begun(cluster, 5)
    worker = cluster.worker_of(id)
    assert worker.stop() == 0
    cluster.workers.remove(worker)
    job = cluster.wait_for_end(id)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1), "a hand-over is no attempt"
    assert cluster.states(id) == [State.QUEUED, State.RUNNING, State.QUEUED, State.RUNNING, State.SUCCEEDED]
    steps = cluster.steps(id)
    assert steps == sorted(steps), "no step was done again"
    assert cluster.files(id) == undisturbed
    cluster.start_workers()


def test_a_worker_that_was_stopped_for_too_long_changes_nothing(
    cluster: JobsCluster, undisturbed: dict[str, bytes]
) -> None:
    id, _ = begun(cluster, 5)
    worker = cluster.worker_of(id)
    pause(worker.child, 2 * LEASE_SECONDS + 2)
    job = cluster.wait_for_end(id)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2)
    said = worker.wait_for("finished")
    while said["job"] != id:
        said = worker.wait_for("finished")
    assert said["outcome"] == "lost"
    assert cluster.states(id)[-1] is State.SUCCEEDED
    assert cluster.states(id).count(State.SUCCEEDED) == 1
    assert cluster.files(id) == undisturbed
    folder = cluster.artifacts / "jobs" / id
    assert len(list(folder.glob("attempt-*"))) == 1, "the old attempt left nothing"


def test_a_worker_that_is_stopped_while_it_writes_its_result_changes_nothing(
    cluster: JobsCluster, undisturbed: dict[str, bytes]
) -> None:
    # Near the end, so that the old attempt goes on to its commit as soon as it may.
    id = cluster.visualize("slow", STEPS, seed=3)
    cluster.wait_for_step(id, STEPS - 3)
    worker = cluster.worker_of(id)
    pause(worker.child, 2 * LEASE_SECONDS + 2)
    job = cluster.wait_for_end(id)
    assert job.state is State.SUCCEEDED
    assert cluster.states(id).count(State.SUCCEEDED) == 1
    assert cluster.files(id) == undisturbed


def test_checkpoints_do_not_pile_up(cluster: JobsCluster) -> None:
    id = cluster.visualize("slow", STEPS, seed=4)
    cluster.wait_for_step(id, 30)
    seen = set()
    folder = cluster.artifacts / "jobs" / id / "checkpoints"
    while not cluster.job(id).state.ended:
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
        assert len(there) <= 2, "the last one, and the one that is being replaced"
        seen |= there
        time.sleep(CHECKPOINT_SECONDS / 4)
    assert len(seen) > 5
