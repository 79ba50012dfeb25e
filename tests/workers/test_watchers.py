"""The jobs server is killed while many watch: they go on by themselves, and see every event once."""

import time
from concurrent.futures import ThreadPoolExecutor

from convscope.client import Client
from convscope.services.common.jobs.job import State
from tests.workers.jobs_cluster import JobsCluster

WATCHERS = 8


def test_watchers_miss_nothing_and_see_nothing_twice(own_cluster: JobsCluster) -> None:
    cluster = own_cluster
    cluster.start_workers()
    id = cluster.visualize("slow", 200)
    cluster.wait_for_step(id, 5)

    def watch(_: int) -> list[int]:
        with Client.connect(f"127.0.0.1:{cluster.port}") as client:
            return [event.number for event in client.job(id).watch()]

    with ThreadPoolExecutor(WATCHERS) as pool:
        watchers = [pool.submit(watch, number) for number in range(WATCHERS)]
        for step in (30, 80):
            cluster.wait_for_step(id, step)
            cluster.server.kill()
            time.sleep(0.5)
            cluster.start_server()
        seen = [watcher.result(60) for watcher in watchers]
    job = cluster.job(id)
    assert job.state is State.SUCCEEDED
    for numbers in seen:
        assert numbers == list(range(1, job.last_event + 1))
