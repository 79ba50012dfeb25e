"""Messages only wake workers: twice the same does no harm, and one that is lost is missed by the caretaker."""

import time

from convscope.services.common.jobs.job import State
from convscope.services.common.jobs.kinds import VISUALIZE_CLASS
from convscope.services.common.jobs.messages import Messages, celery_app, queue_of
from convscope.services.common.store_address import StoreAddress
from tests.processes import wait_until
from tests.workers.jobs_cluster import JobsCluster

ONCE = [State.QUEUED, State.RUNNING, State.SUCCEEDED]


def test_a_message_that_comes_twice_runs_its_job_once(cluster: JobsCluster) -> None:
    messages = Messages(celery_app(StoreAddress(cluster.store.url)), cluster.redis)
    ids = [cluster.visualize("slow", 20, seed=seed) for seed in range(3)]
    for _ in range(20):
        messages.send(VISUALIZE_CLASS)
    for id in ids:
        assert cluster.wait_for_end(id).state is State.SUCCEEDED
        assert cluster.states(id) == ONCE
        assert cluster.job(id).attempts == 1
        assert len(list((cluster.artifacts / "jobs" / id).glob("attempt-*"))) == 1
    wait_until(lambda: messages.waiting(VISUALIZE_CLASS) == 0, "the rest to be taken")


def test_a_lost_message_is_found_again(cluster: JobsCluster) -> None:
    # Two jobs hold both workers, so that the third one's message can be taken out of the broker.
    busy = [cluster.visualize("slow", 60, seed=seed) for seed in range(2)]
    for id in busy:
        cluster.wait_for_step(id, 1)
    id = cluster.visualize("small", 5)
    assert cluster.redis.delete(queue_of(VISUALIZE_CLASS)) == 1
    assert cluster.wait_for_end(id).state is State.SUCCEEDED
    assert cluster.states(id) == ONCE


def test_jobs_that_wait_are_not_given_ever_more_messages(cluster: JobsCluster) -> None:
    busy = [cluster.visualize("slow", 150, seed=seed) for seed in range(2)]
    for id in busy:
        cluster.wait_for_step(id, 1)
    waiting = [cluster.visualize("small", 5, seed=seed) for seed in range(4)]
    lengths = set()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        lengths.add(cluster.redis.llen(queue_of(VISUALIZE_CLASS)))
        time.sleep(0.05)
    assert lengths == {4}
    for id in busy + waiting:
        assert cluster.wait_for_end(id).state is State.SUCCEEDED
