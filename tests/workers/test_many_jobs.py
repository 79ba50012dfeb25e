"""Five hundred jobs at once: each is done once, in order, and nobody grows."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convscope.client import Client
from convscope.services.common.jobs.job import State
from tests.workers.jobs_cluster import JobsCluster

JOBS, CALLERS = 500, 20
MIB = 1024


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_hundred_jobs_of_twenty_callers(own_cluster: JobsCluster) -> None:
    cluster = own_cluster

    def submit(caller: int) -> list[str]:
        with Client.connect(f"127.0.0.1:{cluster.port}") as client:
            return [
                client.visualize_class(
                    model="small",
                    target=0,
                    recipe="simonyan2013",
                    steps=2,
                    seed=seed,
                    priority=seed % 3,
                    preview_seconds=0,
                ).name.removeprefix("jobs/")
                for seed in range(caller, JOBS, CALLERS)
            ]

    with ThreadPoolExecutor(CALLERS) as pool:
        ids = [id for accepted in pool.map(submit, range(CALLERS)) for id in accepted]
    assert len(set(ids)) == JOBS
    workers = cluster.start_workers(2)
    done_before = ids[0]
    cluster.wait_for_end(min(ids, key=lambda id: float(cluster.redis.hget(f"convscope:job:{id}", "place") or 0)))
    before = [memory(worker.child) for worker in workers] + [memory(cluster.server.process.pid)]
    for id in ids:
        assert cluster.wait_for_end(id, 200).state is State.SUCCEEDED
    after = [memory(worker.child) for worker in workers] + [memory(cluster.server.process.pid)]
    assert cluster.job(done_before).attempts == 1
    jobs = cluster.records.snapshots(ids)
    assert {job.attempts for job in jobs} == {1}
    assert all(cluster.states(job.id) == [State.QUEUED, State.RUNNING, State.SUCCEEDED] for job in jobs)
    places = {id: float(cluster.redis.hget(f"convscope:job:{id}", "place") or 0) for id in ids}
    taken = sorted(jobs, key=lambda job: job.started)
    assert [places[job.id] for job in taken] == sorted(places.values()), "by priority, then by arrival"
    for less, more in zip(before, after, strict=True):
        assert more - less < 64 * MIB, f"grew from {less} to {more} KiB"


def memory(pid: int) -> int:
    """Resident memory, KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
