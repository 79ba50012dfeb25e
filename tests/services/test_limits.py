"""A server takes what it can carry, refuses the rest at once, and works for nobody who has gone."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from convscope.v1.attribution_service_pb2 import AttributeResponse, AttributeStreamRequest, ClassifyRequest
from tests.processes import wait_until
from tests.services.calls import SECONDS, SERVING, Refusal, Watch, refusal
from tests.services.held import TeamServer, assert_same, cursed, entry, question, team_server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    """Two calls and one stream at once."""
    catalogue = entry("guarded", gates="{gates}")
    with team_server(tmp_path_factory.mktemp("narrow"), catalogue, queue_limit=2, stream_limit=1) as narrow:
        yield narrow


def outcome(team: TeamServer, number: int) -> AttributeResponse | Refusal:
    try:
        return team.ask(number)
    except grpc.RpcError as error:
        return Refusal.of(error)


def assert_busy(found: Refusal) -> None:
    assert (found.code, found.reason, found.domain) == ("RESOURCE_EXHAUSTED", "SERVER_BUSY", "convscope")
    assert found.retry_after is not None
    assert found.retry_after > 0


def test_calls_above_the_limit_are_refused_at_once_and_told_when_to_come_again(narrow: TeamServer) -> None:
    lone = narrow.ask(1)
    refused_before = narrow.process.metric("convscope_refused_total")
    with narrow.held() as held:
        second = narrow.send(question(1))
        narrow.wait_until_queued(1)
        for _ in range(14):
            assert_busy(refusal(lambda: narrow.ask(2)))
        held.release()
        assert_same(second.result(SECONDS), lone)
        assert held.call.result(SECONDS).attribution.data
    assert narrow.process.metric("convscope_refused_total") - refused_before == 14
    assert_same(narrow.ask(1), lone)


def test_of_sixteen_callers_at_once_each_is_answered_rightly_or_refused(narrow: TeamServer) -> None:
    lone = {number: narrow.ask(number) for number in range(16)}
    start = threading.Barrier(16)

    def call(number: int) -> AttributeResponse | Refusal:
        start.wait(SECONDS)
        return outcome(narrow, number)

    with narrow.held() as held, ThreadPoolExecutor(16) as pool:
        calls = {number: pool.submit(call, number) for number in range(16)}
        wait_until(lambda: sum(future.done() for future in calls.values()) == 15, "fifteen refusals")
        held.release()
        found = {number: future.result(SECONDS) for number, future in calls.items()}
    answered = {number: answer for number, answer in found.items() if isinstance(answer, AttributeResponse)}
    assert len(answered) == 1
    for number, answer in found.items():
        if isinstance(answer, AttributeResponse):
            assert_same(answer, lone[number])
        else:
            assert_busy(answer)


def test_a_picture_that_is_refused_takes_no_place(narrow: TeamServer) -> None:
    bad = question(1)
    bad.image.preprocessed.data = b"short"
    for _ in range(10):
        assert refusal(lambda: narrow.stubs.attribute(bad, timeout=SECONDS)).code == "INVALID_ARGUMENT"
    assert narrow.ask(1).attribution.data


def test_a_classification_takes_a_place_too(narrow: TeamServer) -> None:
    asked = ClassifyRequest(model=question(1).model, image=question(1).image)
    with narrow.held():
        narrow.send(question(2))
        narrow.wait_until_queued(1)
        found = refusal(lambda: narrow.stubs.classify(asked, timeout=SECONDS))
    assert_busy(found)


def test_the_requests_of_a_stream_wait_for_a_place_and_are_not_refused(narrow: TeamServer) -> None:
    lone = {str(number): narrow.ask(number) for number in range(40)}
    requests = [AttributeStreamRequest(id=str(number), request=question(number)) for number in range(40)]
    found = {response.id: response for response in narrow.stubs.attribute_stream(iter(requests), timeout=SECONDS)}
    assert found.keys() == lone.keys()
    for name, response in found.items():
        assert response.WhichOneof("result") == "response", response.error.message
        assert_same(response.response, lone[name])


def test_a_stream_above_the_limit_is_refused_until_another_ends(narrow: TeamServer) -> None:
    ends = threading.Event()

    def requests() -> Iterator[AttributeStreamRequest]:
        yield AttributeStreamRequest(id="first", request=question(1))
        ends.wait(SECONDS)

    first = narrow.stubs.attribute_stream(requests(), timeout=SECONDS)
    assert next(first).id == "first"
    again = AttributeStreamRequest(id="again", request=question(1))
    assert_busy(refusal(lambda: list(narrow.stubs.attribute_stream(iter([again]), timeout=SECONDS))))
    ends.set()
    assert list(first) == []
    assert [one.id for one in narrow.stubs.attribute_stream(iter([again]), timeout=SECONDS)] == ["again"]


def test_watchers_of_health_are_bounded_and_take_no_place_of_a_call(narrow: TeamServer) -> None:
    watchers: list[Watch] = []
    while len(watchers) < 200 and (watched := narrow.stubs.watch_health()).is_answered():
        watchers.append(watched)
    assert 8 <= len(watchers) < 200
    assert refusal(watched.next).code == "RESOURCE_EXHAUSTED"
    assert narrow.ask(1).attribution.data
    assert narrow.stubs.health() == SERVING
    for one in watchers:
        one.leave()
    wait_until(lambda: narrow.stubs.watch_health().is_answered(), "a place for a watcher")


def test_a_call_whose_deadline_passes_in_the_queue_costs_no_pass(team: TeamServer) -> None:
    lone = team.ask(1)
    dropped_before = team.process.metric("convscope_dropped_total", model="guarded")
    with team.held() as held:
        pictures = team.pictures()
        late = team.send(question(2), timeout=0.3)
        patient = team.send(question(1))
        with pytest.raises(grpc.RpcError) as caught:
            late.result(SECONDS)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        team.wait_until_queued(2)
        held.release()
        assert_same(patient.result(SECONDS), lone)
    assert team.pictures() == pictures + 1
    assert team.process.metric("convscope_dropped_total", model="guarded") == dropped_before + 1
    assert_same(team.ask(1), lone)


def test_a_call_whose_caller_goes_costs_no_pass(team: TeamServer) -> None:
    lone = team.ask(1)
    dropped_before = team.process.metric("convscope_dropped_total", model="guarded")
    running_before = team.process.metric("convscope_calls_running")
    with team.held() as held:
        pictures = team.pictures()
        going = [team.stubs.attribute.future(question(number), timeout=SECONDS) for number in (2, 3, 4)]
        patient = team.send(question(1))
        team.wait_until_queued(4)
        for call in going:
            call.cancel()
        # Their threads are free before the model is: nobody waits for an answer that nobody reads.
        wait_until(lambda: team.process.metric("convscope_calls_running") == running_before + 2, "three callers to go")
        held.release()
        assert_same(patient.result(SECONDS), lone)
    assert team.pictures() == pictures + 1
    assert team.process.metric("convscope_dropped_total", model="guarded") == dropped_before + 3
    assert team.process.metric("convscope_calls_total", rpc="Attribute", code="CANCELLED") >= 3
    assert_same(team.ask(1), lone)


def test_a_call_whose_deadline_passes_in_the_middle_of_its_pass_ends_in_time(team: TeamServer) -> None:
    lone = team.ask(1)
    passes = team.passes()
    with team.held():
        call = team.send(question(2), timeout=0.2)
        assert Refusal.of(_error(call.exception(SECONDS))).code == "DEADLINE_EXCEEDED"
    assert_same(team.ask(1), lone)
    assert team.passes() == passes + 2


def test_a_picture_at_which_the_network_raises_fails_alone(team: TeamServer) -> None:
    lone = {number: team.ask(number) for number in (1, 2, 3, 4, 5)}
    with team.held() as held:
        before, pictures = team.passes(), team.pictures()
        good = {number: team.send(question(number)) for number in (1, 2)}
        bad = team.send(cursed(6))
        good |= {number: team.send(question(number)) for number in (3, 4, 5)}
        team.wait_until_queued(6)
        held.release()
        found = Refusal.of(_error(bad.exception(SECONDS)))
        for number, call in good.items():
            assert_same(call.result(SECONDS), lone[number])
    assert (found.code, found.reason, found.domain) == ("INTERNAL", "INTERNAL", "convscope")
    assert "cursed" not in found.message
    wait_until(lambda: any("cursed" in line for line in team.process.log), "the cause in the server's log")
    assert (team.passes() - before, team.pictures() - pictures) == (7, 12), "one pass together, then each alone"
    assert_same(team.ask(1), lone[1])


def test_a_batch_that_the_memory_does_not_carry_is_answered_in_smaller_ones(team: TeamServer) -> None:
    lone = {number: team.ask(number, "light") for number in range(1, 9)}
    with team.held("light") as held:
        calls = {number: team.send(question(number, "light"), timeout=15) for number in lone}
        team.wait_until_queued(8, "light")
        held.release()
        for number, call in calls.items():
            assert_same(call.result(SECONDS), lone[number])
    assert_same(team.ask(1, "light"), lone[1])


def _error(found: BaseException | None) -> grpc.RpcError:
    assert isinstance(found, grpc.RpcError)
    return found
