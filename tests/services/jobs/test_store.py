"""A store that is away is said to be away; what was accepted is there when it comes again, and nothing else is."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)

from convscope.services.common.cards import CARDS
from convscope.services.common.jobs.job import Lease
from convscope.services.common.jobs.kinds import DEEP_DREAM, KINDS, VISUALIZE_CLASS
from convscope.services.common.jobs.records import Verdict
from convscope.v1.job_service_pb2 import DownloadArtifactRequest, ListJobsRequest, WatchJobRequest
from convscope.v1.synthesis_service_pb2 import ListRecipesRequest
from tests.processes import JobsProcess, LastingStore, wait_until
from tests.services.calls import SECONDS, SERVING, Refusal, refusal
from tests.services.jobs.server import (
    Jobs,
    JobStubs,
    Wire,
    attacking,
    dreaming,
    inverting,
    jobs_server,
    picturing,
    visualizing,
)
from tests.services.starts import assert_cannot_start

CALLERS = 8

CALLS: dict[str, Callable[[JobStubs], object]] = {
    "VisualizeClass": lambda stubs: stubs.visualize_class(visualizing(), timeout=SECONDS),
    "VisualizeChannel": lambda stubs: stubs.visualize_channel(picturing(), timeout=SECONDS),
    "DeepDream": lambda stubs: stubs.deep_dream(dreaming(), timeout=SECONDS),
    "InvertFeatures": lambda stubs: stubs.invert_features(inverting(), timeout=SECONDS),
    "CreateAdversarial": lambda stubs: stubs.create_adversarial(attacking(), timeout=SECONDS),
    "ListJobs": lambda stubs: stubs.list_jobs(ListJobsRequest(), timeout=SECONDS),
    "WatchJob": lambda stubs: list(stubs.watch_job(WatchJobRequest(name="jobs/a1"), timeout=SECONDS)),
    "DownloadArtifact": lambda stubs: list(
        stubs.download_artifact(DownloadArtifactRequest(name="jobs/a1/artifacts/a"), timeout=SECONDS)
    ),
    "GetOperation": lambda stubs: stubs.get(GetOperationRequest(name="jobs/a1"), timeout=SECONDS),
    "ListOperations": lambda stubs: stubs.list(ListOperationsRequest(), timeout=SECONDS),
    "WaitOperation": lambda stubs: stubs.wait(WaitOperationRequest(name="jobs/a1"), timeout=SECONDS),
    "CancelOperation": lambda stubs: stubs.cancel(CancelOperationRequest(name="jobs/a1"), timeout=SECONDS),
    "DeleteOperation": lambda stubs: stubs.delete(DeleteOperationRequest(name="jobs/a1"), timeout=SECONDS),
}


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[LastingStore]:
    """Not started yet."""
    (tmp_path / "store").mkdir()
    store = LastingStore(tmp_path / "store")
    yield store
    store.kill()


@pytest.fixture
def jobs(mortal: LastingStore, tmp_path: Path) -> Iterator[Jobs]:
    """A server on that store, which began without it."""
    with jobs_server(mortal.url, tmp_path / "artifacts") as jobs:
        yield jobs


def assert_away(found: Refusal) -> None:
    assert (found.code, found.reason, found.domain) == ("UNAVAILABLE", "STORE_AWAY", "convscope"), found.message
    assert found.retry_after
    assert found.size < 3 * 1024


def test_a_server_starts_without_its_store_and_goes_on_when_it_comes(mortal: LastingStore, jobs: Jobs) -> None:
    assert jobs.stubs.health() == SERVING
    for rpc, call in CALLS.items():
        begun = time.monotonic()
        assert_away(refusal(lambda call=call: call(jobs.stubs)))  # type: ignore[misc]
        assert time.monotonic() - begun < 3, rpc
    assert jobs.files() == []
    assert jobs.stubs.list_recipes(ListRecipesRequest(), timeout=SECONDS).recipes, "recipes are no matter of the store"
    mortal.start()
    name = jobs.dream().name
    assert jobs.names() == [name]
    assert jobs.files() == [f"{name}/inputs/image.png"]
    wait_until(lambda: jobs.store.llen("convscope.deep_dream") == 1, "the message to a worker", 5)
    mortal.kill()
    assert_away(refusal(lambda: jobs.get(name)))
    mortal.start()
    assert not jobs.get(name).done, "an accepted job outlives its store"
    assert jobs.process.stop() == 0


def test_a_watch_hears_when_the_store_dies_and_goes_on_when_it_comes_again(mortal: LastingStore, jobs: Jobs) -> None:
    mortal.start()
    name, lease = jobs.running()
    call = jobs.stubs.watch_job(WatchJobRequest(name=name), timeout=SECONDS)
    assert [next(call).event.sequence for _ in range(2)] == [1, 2]
    mortal.kill()
    begun = time.monotonic()
    assert_away(refusal(lambda: list(call)))
    assert time.monotonic() - begun < 5
    mortal.start()
    jobs.records.stop(lease)
    answers = jobs.stubs.watch_job(WatchJobRequest(name=name, after=2), timeout=SECONDS)
    assert [answer.event.sequence for answer in answers] == [3]


def submit(jobs: Jobs, number: int) -> tuple[str, Refusal | None]:
    """The name of the job, or why there is none."""
    try:
        return str((jobs.dream if number % 2 else jobs.visualize)(request_id=f"call-{number}").name), None
    except grpc.RpcError as error:
        return "", Refusal.of(error)


def test_when_the_store_is_killed_while_jobs_are_handed_in_none_is_half_accepted(
    mortal: LastingStore, jobs: Jobs
) -> None:
    mortal.start()
    accepted: dict[int, str] = {}
    refused: dict[int, Refusal] = {}
    enough = threading.Event()

    def call(caller: int) -> None:
        number = caller
        while True:
            name, why = submit(jobs, number)
            if why is not None:
                refused[number] = why
                return
            accepted[number] = name
            number += CALLERS
            if len(accepted) > 60:
                enough.set()

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call, caller) for caller in range(CALLERS)]
        assert enough.wait(SECONDS)
        mortal.kill()
        begun = time.monotonic()
        for caller in callers:
            caller.result(SECONDS)
        assert time.monotonic() - begun < 4, "nobody waits for a store that is away"
    for why in refused.values():
        assert_away(why)
    mortal.start()
    listed = set(jobs.names())
    assert set(accepted.values()) <= listed, "what was accepted is there"
    # The store may have died between accepting a job and saying so. Such a job is whole; the caller asks again, under
    # the same name, and gets it.
    assert len(listed) <= len(accepted) + len(refused)
    again = {number: submit(jobs, number) for number in refused}
    assert not any(why for _, why in again.values())
    names = {**accepted, **{number: name for number, (name, _) in again.items()}}
    assert sorted(names.values()) == sorted(jobs.names()), "each call is one job"
    assert sum(jobs.records.queued(kind) for kind in KINDS) == len(names)
    dreams = sorted(f"{name}/inputs/image.png" for number, name in names.items() if number % 2)
    wait_until(lambda: jobs.files() == dreams, "each dream to have its picture, and nobody else one", 10)
    assert all((jobs.folder / file).stat().st_size for file in dreams)
    for kind in KINDS:
        wait_until(lambda kind=kind: messages(jobs, kind) >= jobs.records.queued(kind), "the messages", 5)  # type: ignore[misc]


def messages(jobs: Jobs, kind: str) -> int:
    length = jobs.store.llen(f"convscope.{kind}")
    assert isinstance(length, int)
    return length


@pytest.fixture
def wired(mortal: LastingStore, tmp_path: Path) -> Iterator[tuple[Jobs, Wire]]:
    """A server whose store is behind a wire, and the wire."""
    mortal.start()
    wire = Wire(mortal.port)
    with jobs_server(wire.url, tmp_path / "artifacts") as jobs:
        yield jobs, wire
    wire.close()


def test_a_job_whose_acceptance_the_store_could_not_tell_keeps_its_picture(wired: tuple[Jobs, Wire]) -> None:
    jobs, wire = wired
    jobs.visualize()  # so that the store knows the script
    wire.break_after(b"max_attempts")
    assert_away(refusal(lambda: jobs.dream(request_id="mine")))
    wire.mend()
    name = jobs.dream(request_id="mine").name
    time.sleep(1.5)  # the caretaker looks twice
    assert jobs.names()[:-1] == [name]
    assert jobs.files() == [f"{name}/inputs/image.png"]
    assert jobs.claim(DEEP_DREAM).attempt == 1


def test_a_job_that_the_store_did_not_accept_leaves_no_picture(wired: tuple[Jobs, Wire]) -> None:
    jobs, wire = wired
    jobs.visualize()
    wire.break_after(CARDS.encode())
    assert_away(refusal(jobs.dream))
    assert jobs.files() == [], "it was not even tried"
    wire.mend()
    # What is no script breaks the wire between the card, which is read first, and the acceptance.
    jobs.store.script_flush()
    wire.break_after(b"max_attempts")
    assert_away(refusal(jobs.dream))
    wire.mend()
    wait_until(lambda: jobs.files() == [], "the picture to be removed", 5)
    assert len(jobs.names()) == 1


def test_a_store_that_does_not_answer_in_time_is_away(mortal: LastingStore, jobs: Jobs) -> None:
    mortal.start()
    jobs.visualize()
    with mortal.silent():
        begun = time.monotonic()
        assert_away(refusal(jobs.dream))
        assert time.monotonic() - begun < 4
    name = jobs.dream().name
    assert jobs.files() == [f"{name}/inputs/image.png"]


# The caretaker has looked at least once, and a worker's time to come back is far from over.
LOOKED = 0.8


def test_a_lease_that_ran_out_while_the_store_was_away_is_its_workers_to_renew(
    mortal: LastingStore, jobs: Jobs
) -> None:
    mortal.start()
    name = jobs.visualize().name

    def state() -> str:
        return str(jobs.records.snapshots([name.removeprefix("jobs/")])[0].state)

    def held() -> Lease:
        lease = jobs.records.claim(VISUALIZE_CLASS, "tester", 1.0)
        assert lease is not None
        return lease

    held()
    wait_until(lambda: state() == "queued", "a worker that is silent to be taken for lost", 10)
    lease = held()
    with mortal.silent():
        time.sleep(2.5)
    time.sleep(LOOKED)
    assert jobs.records.renew(lease, 1.0) is Verdict.GO_ON
    wait_until(lambda: state() == "queued", "a worker that has not come back to be taken for lost", 10)
    lease = held()
    mortal.kill()
    time.sleep(2.5)
    mortal.start()
    time.sleep(LOOKED)
    assert jobs.records.renew(lease, 1.0) is Verdict.GO_ON


@pytest.mark.parametrize("url", ["nothing://127.0.0.1:1/0", "127.0.0.1:6379"])
def test_an_address_of_a_store_that_is_none_is_said_at_the_start(url: str, tmp_path: Path) -> None:
    assert_cannot_start(JobsProcess(redis_url=url, artifacts_url=f"file://{tmp_path}"), "redis_url")
