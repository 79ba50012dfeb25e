"""The store is killed and comes back: nothing that was accepted is lost, and nobody has to be started again."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from convscope.client import ClientError, Unavailable
from convscope.services.common.jobs.job import State
from tests.processes import wait_until
from tests.services.pictures import noise, to_file
from tests.workers.jobs_cluster import JobsCluster

JOBS = 40
AWAY_SECONDS = 3.0


def test_every_accepted_job_is_done(own_cluster: JobsCluster) -> None:
    cluster = own_cluster
    workers = [worker.process.pid for worker in cluster.start_workers(2)]
    accepted = [cluster.visualize("slow", 10, seed=seed) for seed in range(JOBS)]
    cluster.wait_for_end(accepted[5])
    cluster.store.kill()
    with pytest.raises(Unavailable) as refused:
        cluster.client.visualize_class(model="small", target=0, steps=5, timeout=20)
    assert refused.value.reason in ("STORE_AWAY", "")
    time.sleep(AWAY_SECONDS)
    cluster.store.start()
    for id in accepted:
        job = cluster.wait_for_end(id, 90)
        assert job.state is State.SUCCEEDED, job
        assert cluster.states(id).count(State.SUCCEEDED) == 1
        assert cluster.files(id)
    again = cluster.visualize("small", 5)
    assert cluster.wait_for_end(again).state is State.SUCCEEDED
    assert [worker.process.pid for worker in cluster.workers if worker.process.poll() is None] == workers


def test_a_scan_that_meets_a_store_that_is_away_goes_on_and_spends_no_attempt(own_cluster: JobsCluster) -> None:
    cluster = own_cluster
    cluster.server.stop()
    cluster.start_server(index_part=4, max_attempts=1)
    # The lease outlasts the store's absence, so that nobody takes the worker for lost.
    cluster.start_workers(lease_seconds=60)
    collection = cluster.client.create_collection("scanned")
    collection.upload([to_file(noise(36 + place, 40)) for place in range(60)])
    job = collection.index(model="steady", layers=["features.2"])
    id = job.name.removeprefix("jobs/")
    for parts in (2, 5):
        wait_until(lambda parts=parts: cluster.redis.scard(f"convscope:shards:{id}:done") >= parts, "some parts")  # type: ignore[misc]
        cluster.store.kill()
        time.sleep(AWAY_SECONDS)
        cluster.store.start()
    ended = cluster.wait_for_end(id)
    assert (ended.state, ended.attempts) == (State.SUCCEEDED, 1), ended.failure
    assert ended.result["indexed"] == 60


def test_what_was_refused_is_not_there_and_what_was_accepted_is(own_cluster: JobsCluster) -> None:
    cluster = own_cluster

    def submit(seed: int) -> str | None:
        try:
            job = cluster.client.visualize_class(
                model="small", target=0, recipe="simonyan2013", steps=2, seed=seed, timeout=3
            )
        except ClientError:
            return None
        return job.name.removeprefix("jobs/")

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(submit, seed) for seed in range(200)]
        time.sleep(0.1)
        cluster.store.kill()
        time.sleep(1)
        cluster.store.start()
        accepted = [id for answer in answers if (id := answer.result()) is not None]
    there = [id for _, id in cluster.records.before(None, 1000)]
    assert set(accepted) <= set(there), "an accepted job was lost"
    assert len(there) == len(set(there))
    # A call whose answer was lost with the store may have been accepted: it was tried again under its request_id, and
    # made no second job.
    seeds = [job.spec["parameters"]["seed"] for job in cluster.records.snapshots(there)]
    assert len(seeds) == len(set(seeds))
