"""Operations tell how jobs stand and end them, and lists have every job once."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from convscope.services.common.jobs.job import Failure
from convscope.services.common.jobs.kinds import DEEP_DREAM, VISUALIZE_CLASS
from convscope.v1 import job_service_pb2
from convscope.v1.job_service_pb2 import Job, ListJobsRequest
from convscope.v1.synthesis_service_pb2 import DeepDreamResponse, VisualizeClassResponse
from tests.processes import wait_until
from tests.services.calls import SECONDS, Refusal, refusal
from tests.services.jobs.server import MODEL, Jobs, Operation, quickest, result_of

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    job_service_pb2.JOB_STATE_QUEUED,
    job_service_pb2.JOB_STATE_RUNNING,
    job_service_pb2.JOB_STATE_SUCCEEDED,
    job_service_pb2.JOB_STATE_FAILED,
    job_service_pb2.JOB_STATE_CANCELLED,
)
WEEK = 7 * 24 * 3600
NO_MEMORY = Failure("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "no memory is left", "size")


def job_of(operation: Operation) -> Job:
    job = Job()
    assert operation.metadata.Unpack(job)
    assert job.name == operation.name
    return job


def cancel(jobs: Jobs, name: str) -> None:
    jobs.stubs.cancel(CancelOperationRequest(name=name), timeout=SECONDS)


def delete(jobs: Jobs, name: str) -> None:
    jobs.stubs.delete(DeleteOperationRequest(name=name), timeout=SECONDS)


def wait(jobs: Jobs, name: str, seconds: float | None = None, deadline: float = SECONDS) -> Operation:
    timeout = None if seconds is None else Duration(nanos=int(seconds % 1 * 1e9), seconds=int(seconds))
    return jobs.stubs.wait(WaitOperationRequest(name=name, timeout=timeout), timeout=deadline)


def cancelled(jobs: Jobs) -> str:
    name: str = jobs.visualize().name
    cancel(jobs, name)
    return name


def failed(jobs: Jobs) -> str:
    name, lease = jobs.running()
    jobs.records.fail(lease, NO_MEMORY, again=False)
    return name


ENDED: dict[str, Callable[[Jobs], str]] = {"succeeded": Jobs.succeeded, "failed": failed, "cancelled": cancelled}


def test_a_queued_job(jobs: Jobs) -> None:
    before = time.time()
    operation = jobs.get(jobs.visualize(priority=3).name)
    job = job_of(operation)
    assert (operation.done, operation.WhichOneof("result")) == (False, None)
    assert (job.state, job.kind, job.model) == (QUEUED, VISUALIZE_CLASS, f"models/{MODEL}")
    assert (job.priority, job.attempts, job.last_event, job.cancel_requested) == (3, 0, 1, False)
    assert abs(job.create_time.ToMicroseconds() / 1e6 - before) < 5
    for field in ("start_time", "end_time", "expire_time", "progress", "error"):
        assert not job.HasField(field), field
    assert not job.artifacts


def test_a_running_job(jobs: Jobs) -> None:
    name, lease = jobs.running()
    jobs.step(lease, 7)
    operation = jobs.get(name)
    job = job_of(operation)
    assert (operation.done, operation.WhichOneof("result")) == (False, None)
    assert (job.state, job.attempts, job.last_event) == (RUNNING, 1, 3)
    assert (job.progress.step, job.progress.total, job.progress.loss, list(job.progress.scores)) == (
        7,
        10_000,
        -10.5,
        [10.5],
    )
    assert job.create_time.ToMicroseconds() <= job.start_time.ToMicroseconds()
    assert not job.HasField("end_time")


def test_a_job_that_failed_once_and_waits_says_why(jobs: Jobs) -> None:
    name, lease = jobs.running()
    jobs.records.fail(lease, NO_MEMORY, again=True)
    operation = jobs.get(name)
    job = job_of(operation)
    assert (job.state, job.attempts, operation.done) == (QUEUED, 1, False)
    assert Refusal.of_status(job.error).reason == NO_MEMORY.reason
    assert jobs.claim().attempt == 2


def test_a_job_that_succeeded(jobs: Jobs) -> None:
    name = jobs.succeeded(b"a picture")
    operation = jobs.get(name)
    job, response = job_of(operation), VisualizeClassResponse()
    assert operation.done
    assert operation.response.Unpack(response)
    (image,) = response.images
    assert (image.artifact, image.target.index, image.label, image.score) == (
        f"{name}/artifacts/image-0.png",
        281,
        "tabby",
        12.5,
    )
    (artifact,) = job.artifacts
    assert (artifact.name, artifact.media_type, artifact.size_bytes) == (image.artifact, "image/png", 9)
    assert len(artifact.sha256) == 64
    assert (job.state, job.last_event) == (SUCCEEDED, 4)
    assert not job.HasField("error")
    create, start, end, expire = (
        time.ToMicroseconds() for time in (job.create_time, job.start_time, job.end_time, job.expire_time)
    )
    assert create <= start <= end < expire
    assert expire - end == WEEK * 1_000_000


def test_a_dream_that_succeeded(jobs: Jobs) -> None:
    name = jobs.dream().name
    lease = jobs.claim(DEEP_DREAM)
    jobs.records.succeed(lease, result_of(DEEP_DREAM), [jobs.leave(lease, b"a dream")])
    operation, response = jobs.get(name), DeepDreamResponse()
    assert job_of(operation).kind == DEEP_DREAM
    assert operation.response.Unpack(response)
    (image,) = response.images
    assert response.layer == "blocks.3"
    assert (image.artifact, image.HasField("target"), image.label) == (f"{name}/artifacts/image-0.png", False, "")


def test_a_job_that_failed(jobs: Jobs) -> None:
    operation = jobs.get(failed(jobs))
    job = job_of(operation)
    assert operation.done
    assert operation.WhichOneof("result") == "error"
    assert operation.error == job.error
    found = Refusal.of_status(operation.error)
    assert (found.code, found.reason, found.message) == (NO_MEMORY.status, NO_MEMORY.reason, NO_MEMORY.message)
    assert (found.field, found.domain) == (NO_MEMORY.field, "convscope")
    assert job.state == FAILED
    assert job.HasField("end_time")


def test_a_job_that_was_cancelled_while_it_waited(jobs: Jobs) -> None:
    operation = jobs.get(cancelled(jobs))
    job = job_of(operation)
    assert operation.done
    assert operation.error.code == code_pb2.CANCELLED
    assert Refusal.of_status(operation.error).reason == "JOB_CANCELLED"
    assert (job.state, job.attempts, job.cancel_requested) == (CANCELLED, 0, True)
    assert not job.HasField("start_time")
    assert job.HasField("end_time")
    assert jobs.records.claim(VISUALIZE_CLASS, "tester", 60) is None


def test_a_job_that_was_cancelled_while_it_ran(jobs: Jobs) -> None:
    name, lease = jobs.running()
    for _ in range(2):
        cancel(jobs, name)
        operation = jobs.get(name)
        job = job_of(operation)
        assert (job.state, job.cancel_requested, operation.done) == (RUNNING, True, False)
    assert jobs.records.renew(lease, 60).name == "CANCEL"
    jobs.records.stop(lease)
    operation = jobs.get(name)
    assert (operation.done, operation.error.code) == (True, code_pb2.CANCELLED)


def test_a_job_that_is_cancelled_just_before_it_is_done_is_cancelled(jobs: Jobs) -> None:
    name, lease = jobs.running()
    cancel(jobs, name)
    jobs.records.succeed(lease, result_of(VISUALIZE_CLASS), [jobs.leave(lease, b"a picture")])
    operation = jobs.get(name)
    assert (operation.error.code, job_of(operation).state) == (code_pb2.CANCELLED, CANCELLED)
    assert not job_of(operation).artifacts


@pytest.mark.parametrize("how", ENDED)
def test_cancelling_what_has_ended_changes_nothing(how: str, jobs: Jobs) -> None:
    name = ENDED[how](jobs)
    before = jobs.get(name)
    for _ in range(2):
        cancel(jobs, name)
    assert jobs.get(name) == before


@pytest.mark.parametrize("how", ENDED)
def test_what_has_ended_can_be_deleted_once(how: str, jobs: Jobs) -> None:
    other = jobs.succeeded()
    name = ENDED[how](jobs)
    id = name.removeprefix("jobs/")
    delete(jobs, name)
    for call in (jobs.get, lambda name: delete(jobs, name), lambda name: cancel(jobs, name)):
        found = refusal(lambda call=call: call(name))  # type: ignore[misc]
        assert (found.code, found.reason) == ("NOT_FOUND", "UNKNOWN_JOB")
    assert jobs.names() == [other]
    assert jobs.files() == [f"{other}/1/image-0.png"]
    assert not (jobs.folder / name).exists()
    assert not [key for key in jobs.store.keys("*") if id.encode() in key]
    for listed in ("convscope:jobs", "convscope:ended"):
        assert jobs.store.zscore(listed, id) is None


def test_a_dream_that_is_deleted_takes_its_picture_along(jobs: Jobs) -> None:
    name = jobs.dream().name
    assert jobs.files()
    cancel(jobs, name)
    delete(jobs, name)
    assert jobs.files() == []


@pytest.mark.parametrize("claimed", [False, True], ids=["queued", "running"])
def test_what_has_not_ended_cannot_be_deleted(claimed: bool, jobs: Jobs) -> None:
    name = jobs.dream().name
    if claimed:
        jobs.claim(DEEP_DREAM)
    found = refusal(lambda: delete(jobs, name))
    assert (found.code, found.reason, found.field) == ("FAILED_PRECONDITION", "JOB_NOT_ENDED", "name")
    assert "cancel" in found.message
    assert not jobs.get(name).done
    assert jobs.files() == [f"{name}/inputs/image.png"]


def test_many_who_delete_one_job_at_once_delete_it_once(jobs: Jobs) -> None:
    for _ in range(5):
        name = jobs.succeeded()
        start = threading.Barrier(8)

        def call(_: int, name: str = name, start: threading.Barrier = start) -> str:
            start.wait(SECONDS)
            return str(jobs.stubs.delete.future(DeleteOperationRequest(name=name), timeout=SECONDS).code().name)

        with ThreadPoolExecutor(8) as pool:
            codes = set(pool.map(call, range(8)))
        assert "OK" in codes
        assert codes <= {"OK", "NOT_FOUND"}
    assert jobs.names() == []
    assert jobs.files() == []


def test_waiting_no_time_gives_how_it_stands(jobs: Jobs) -> None:
    name = jobs.visualize().name
    assert not wait(jobs, name, 0).done
    assert quickest(lambda: wait(jobs, name, 0)) < 0.4


def test_waiting_a_while_gives_how_it_stands_then(jobs: Jobs) -> None:
    name = jobs.visualize().name
    begun = time.monotonic()
    assert not wait(jobs, name, 0.3).done
    assert 0.3 <= time.monotonic() - begun < 1.5


@pytest.mark.parametrize("how", ENDED)
def test_waiting_for_what_has_ended_takes_no_time(how: str, jobs: Jobs) -> None:
    name = ENDED[how](jobs)
    assert wait(jobs, name) == jobs.get(name)
    assert quickest(lambda: wait(jobs, name)) < 0.4


def test_waiting_longer_than_anybody_lives_is_waiting_for_the_end(jobs: Jobs) -> None:
    name = jobs.succeeded()
    for seconds in (315_576_000_000, 2**63 - 1):
        request = WaitOperationRequest(name=name, timeout=Duration(seconds=seconds))
        assert jobs.stubs.wait(request, timeout=SECONDS).done


def test_all_who_wait_hear_of_the_end(jobs: Jobs) -> None:
    name, lease = jobs.running()
    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(wait, jobs, name, None if number % 2 else 30.0) for number in range(24)]
        wait_until(lambda: jobs.process.metric("convscope_calls_running") >= 24, "the waiters")
        jobs.step(lease, 1)
        jobs.step(lease, 2)
        assert not any(one.done() for one in waiting)
        jobs.records.succeed(lease, result_of(VISUALIZE_CLASS), [])
        begun = time.monotonic()
        found = [one.result(SECONDS) for one in waiting]
        assert time.monotonic() - begun < 2
    assert all(operation == found[0] for operation in found)
    assert job_of(found[0]).state == SUCCEEDED


def test_waiting_ends_with_the_callers_deadline_and_frees_its_place(jobs: Jobs) -> None:
    name = jobs.visualize().name
    begun = time.monotonic()
    found = refusal(lambda: wait(jobs, name, deadline=0.3))
    assert found.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 1
    wait_until(lambda: jobs.process.metric("convscope_calls_running") == 0, "the call to end in the server", 3)


def test_waiting_for_a_job_that_is_deleted_ends(jobs: Jobs) -> None:
    name, lease = jobs.running()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refusal, lambda: wait(jobs, name))
        wait_until(lambda: jobs.process.metric("convscope_calls_running") >= 1, "the waiter")
        jobs.store.delete(f"convscope:job:{lease.id}", f"convscope:events:{lease.id}")
        assert waiting.result(SECONDS).code == "NOT_FOUND"


def pages(list_page: Callable[[str], Any], items: str) -> list[list[str]]:
    """The names on all pages."""
    found, token = [], ""
    while True:
        page = list_page(token)
        found.append([item.name for item in getattr(page, items)])
        token = page.next_page_token
        if not token:
            return found


def test_operations_are_listed_in_pages_the_newest_first(jobs: Jobs) -> None:
    names = [jobs.visualize().name for _ in range(25)][::-1]

    def list_page(token: str) -> Any:
        return jobs.stubs.list(ListOperationsRequest(name="jobs", page_size=10, page_token=token), timeout=SECONDS)

    assert pages(list_page, "operations") == [names[:10], names[10:20], names[20:]]
    (operation, *_) = list_page("").operations
    assert operation == jobs.get(names[0])


def test_a_last_page_that_is_full_has_no_token(jobs: Jobs) -> None:
    names = [jobs.visualize().name for _ in range(20)][::-1]

    def list_page(token: str) -> Any:
        return jobs.stubs.list_jobs(ListJobsRequest(page_size=10, page_token=token), timeout=SECONDS)

    assert pages(list_page, "jobs") == [names[:10], names[10:]]


def test_no_job_is_listed_twice_while_new_ones_arrive_and_others_go(jobs: Jobs) -> None:
    names = [jobs.visualize().name for _ in range(25)][::-1]
    gone = names[14]

    def list_page(token: str) -> Any:
        page = jobs.stubs.list_jobs(ListJobsRequest(page_size=10, page_token=token), timeout=SECONDS)
        jobs.visualize()
        if not token:
            cancel(jobs, gone)
            delete(jobs, gone)
            # The last of the page goes, too: the token stands for a place, not for a job.
            cancel(jobs, names[9])
            delete(jobs, names[9])
        return page

    found = [name for page in pages(list_page, "jobs") for name in page]
    assert found == [name for name in names if name != gone]


def test_jobs_that_were_accepted_at_the_same_moment_are_all_listed(jobs: Jobs) -> None:
    names = {jobs.visualize().name for _ in range(12)}
    for name in names:
        jobs.store.zadd("convscope:jobs", {name.removeprefix("jobs/"): 1_700_000_000.123456})

    def list_page(token: str) -> Any:
        return jobs.stubs.list_jobs(ListJobsRequest(page_size=5, page_token=token), timeout=SECONDS)

    found = pages(list_page, "jobs")
    assert [len(page) for page in found] == [5, 5, 2]
    assert {name for page in found for name in page} == names


@pytest.fixture
def mixed(jobs: Jobs) -> dict[tuple[int, str], list[str]]:
    """Jobs of every state and kind, mixed; their names by state and kind, the newest first."""
    ends: dict[int, Callable[[Any], object]] = {
        SUCCEEDED: lambda lease: jobs.records.succeed(lease, result_of(lease.kind), []),
        FAILED: lambda lease: jobs.records.fail(lease, NO_MEMORY, again=False),
        CANCELLED: jobs.records.stop,
        RUNNING: lambda lease: None,
    }
    found: dict[tuple[int, str], list[str]] = {}
    makes = {VISUALIZE_CLASS: jobs.visualize, DEEP_DREAM: jobs.dream}
    for _ in range(6):
        for kind, make in makes.items():
            for state, end in ends.items():
                name = make().name
                end(jobs.claim(kind))
                found.setdefault((state, kind), []).insert(0, name)
    for _ in range(6):
        for kind, make in makes.items():
            found.setdefault((QUEUED, kind), []).insert(0, make().name)
    return found


def test_jobs_are_filtered_by_state_and_kind(mixed: dict[tuple[int, str], list[str]], jobs: Jobs) -> None:
    everything = jobs.names()
    assert len(everything) == 60
    for states in ([], [QUEUED], [RUNNING], [SUCCEEDED, FAILED], [CANCELLED, CANCELLED], [SUCCEEDED, QUEUED]):
        for kinds in ([], [VISUALIZE_CLASS], [DEEP_DREAM], [DEEP_DREAM, VISUALIZE_CLASS]):
            wanted = {
                name
                for (state, kind), names in mixed.items()
                if (not states or state in states) and (not kinds or kind in kinds)
                for name in names
            }

            def list_page(token: str, states: Any = states, kinds: list[str] = kinds) -> Any:
                request = ListJobsRequest(page_size=5, page_token=token, states=states, kinds=kinds)
                return jobs.stubs.list_jobs(request, timeout=SECONDS)

            found = pages(list_page, "jobs")
            assert [name for page in found for name in page] == [name for name in everything if name in wanted]
            assert all(len(page) == 5 for page in found[:-1])


def test_few_among_many_are_found(jobs: Jobs) -> None:
    old = jobs.dream().name
    for number in range(450):
        jobs.accept(f"many-{number}")
    request = ListJobsRequest(page_size=10, kinds=[DEEP_DREAM])
    page = jobs.stubs.list_jobs(request, timeout=SECONDS)
    assert ([job.name for job in page.jobs], page.next_page_token) == ([old], "")


def test_without_a_page_size_a_hundred_are_listed(jobs: Jobs) -> None:
    for number in range(101):
        jobs.accept(f"many-{number}")
    page = jobs.stubs.list_jobs(ListJobsRequest(), timeout=SECONDS)
    assert len(page.jobs) == 100
    assert page.next_page_token
    assert len(jobs.stubs.list(ListOperationsRequest(), timeout=SECONDS).operations) == 100


def test_no_jobs_are_one_empty_page(jobs: Jobs) -> None:
    for page, items in (
        (jobs.stubs.list_jobs(ListJobsRequest(), timeout=SECONDS), "jobs"),
        (jobs.stubs.list(ListOperationsRequest(name="operations"), timeout=SECONDS), "operations"),
    ):
        assert not getattr(page, items)
        assert page.next_page_token == ""


def test_a_job_whose_workers_are_lost_fails_and_says_so(jobs: Jobs) -> None:
    name: str = jobs.visualize().name
    for _ in range(3):
        assert jobs.records.claim(VISUALIZE_CLASS, "tester", -1)
        wait_until(lambda: job_of(jobs.get(name)).state != RUNNING, "the caretaker to miss the worker", 5)
    operation = jobs.get(name)
    found = Refusal.of_status(operation.error)
    assert (found.code, found.reason) == ("UNAVAILABLE", "WORKER_LOST")
    assert "tester" in found.message
    assert job_of(operation).attempts == 3
