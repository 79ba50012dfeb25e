"""The artifact store is full or refuses: the job fails and says so, and its worker takes the next one."""

import os
import resource
import signal

import pytest

from convscope.services.common.jobs.job import State
from tests.workers.jobs_cluster import JobsCluster


def test_a_full_store_fails_the_job_and_not_the_worker(cluster: JobsCluster) -> None:
    children = [worker.child for worker in cluster.workers]
    for child in children:
        # No file may grow over a kilobyte, as on a full disk.
        _, most = resource.prlimit(child, resource.RLIMIT_FSIZE)
        resource.prlimit(child, resource.RLIMIT_FSIZE, (1024, most))
    try:
        id = cluster.visualize("small", 10)
        failed = cluster.wait_for_end(id)
    finally:
        for child in children:
            resource.prlimit(child, resource.RLIMIT_FSIZE, (most, most))
    assert (failed.state, failed.attempts) == (State.FAILED, 1)
    assert failed.failure is not None
    assert failed.failure.reason == "ARTIFACTS_AWAY"
    assert "File too large" in failed.failure.message
    assert cluster.wait_for_end(cluster.visualize("small", 10)).state is State.SUCCEEDED
    assert [worker.child for worker in cluster.workers if worker.process.poll() is None] == children


def test_a_store_that_cannot_be_written_fails_the_job_and_not_the_worker(own_cluster: JobsCluster) -> None:
    cluster = own_cluster
    (worker,) = cluster.start_workers(1)
    cluster.artifacts.write_text("a file where the folder should be")
    failed = cluster.wait_for_end(cluster.visualize("small", 10))
    assert failed.state is State.FAILED
    assert failed.failure is not None
    assert failed.failure.reason == "ARTIFACTS_AWAY"
    cluster.artifacts.unlink()
    assert cluster.wait_for_end(cluster.visualize("small", 10)).state is State.SUCCEEDED
    assert worker.process.poll() is None


@pytest.mark.parametrize("content", [b"", b"no checkpoint"], ids=["empty", "rubbish"])
def test_a_damaged_checkpoint_fails_the_job_with_its_reason(cluster: JobsCluster, content: bytes) -> None:
    id = cluster.visualize("slow", 150)
    cluster.wait_for_step(id, 40)
    worker = cluster.worker_of(id)
    os.kill(worker.child, signal.SIGKILL)
    for path in (cluster.artifacts / "jobs" / id / "checkpoints").iterdir():
        path.write_bytes(content)
    failed = cluster.wait_for_end(id)
    assert failed.state is State.FAILED
    assert failed.failure is not None
    assert "checkpoint" in failed.failure.message
    worker.wait_until_it_takes_jobs()
