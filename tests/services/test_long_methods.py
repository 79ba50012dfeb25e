"""Long methods tell how far they are, let quick calls pass, and end when nobody waits for them any more."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.v1.attribution_service_pb2 import (
    AnalyzeFailureRequest,
    AttributeRequest,
    AttributeResponse,
    AttributeStreamRequest,
    AttributeStreamResponse,
    CompareRequest,
    Variant,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import GetModelRequest, LoadModelRequest, ModelState, UnloadModelRequest
from convscope.v1.target_pb2 import ClassReference
from tests.processes import wait_until
from tests.services.asking import LONG, QUICK, method
from tests.services.calls import SECONDS, Refusal, Stubs, refusal
from tests.services.held import Pace, TeamServer, assert_same, entry, question, team_server
from tests.services.pictures import noise, to_file

MANY = 100_000
"""Masks that take far longer than any test."""
INNER = 8
"""Masks of one internal batch on a CPU."""
SOON = 15.0


def rise(number: int, masks: int, model: str = "paced") -> AttributeRequest:
    """What RISE says of picture `number`."""
    request = question(number, model)
    request.method.CopyFrom(method("rise", {"masks": masks}))
    return request


def grad_cam(number: int) -> AttributeRequest:
    request = question(number, "paced")
    request.method.CopyFrom(method("grad_cam", {"relu": False}))
    return request


def comparison(number: int, masks: int) -> CompareRequest:
    """Saliency, and RISE."""
    quick, long = question(number, "paced"), rise(number, masks)
    variants = [Variant(method=one.method, target=one.target) for one in (quick, long)]
    return CompareRequest(model=long.model, image=long.image, variants=variants)


def failure(number: int, masks: int) -> AnalyzeFailureRequest:
    long = rise(number, masks)
    truth = ClassReference(index=long.target.class_index)
    return AnalyzeFailureRequest(model=long.model, image=long.image, truth=truth, method=long.method)


def progress_and_response(
    stubs: Stubs, request: AttributeRequest, *, progress: bool
) -> tuple[list[AttributeStreamResponse], AttributeResponse]:
    """What a stream sends before the response, and that."""
    asked = AttributeStreamRequest(id="one", request=request, progress=progress)
    *before, last = stubs.attribute_stream(iter([asked]), timeout=SECONDS)
    assert all(message.id == "one" for message in (*before, last))
    assert last.WhichOneof("result") == "response", last.error.message
    return before, last.response


def photograph(name: str) -> AttributeRequest:
    parameters = {**LONG, **QUICK}[name]
    if name == "ablation_cam":
        parameters = {**parameters, "layer": "blocks.3"}
    image = Image(encoded=to_file(noise(300, 200)))
    return AttributeRequest(model="models/efficientnet_lite0", image=image, method=method(name, parameters))


@pytest.mark.parametrize("name", LONG)
def test_a_long_method_tells_how_far_it_is_until_all_is_done_and_then_answers(name: str, stubs: Stubs) -> None:
    lone = stubs.attribute(photograph(name), timeout=SECONDS)
    before, response = progress_and_response(stubs, photograph(name), progress=True)
    assert_same(response, lone)
    assert {message.WhichOneof("result") for message in before} == {"progress"}
    done, totals = [message.progress.done for message in before], {message.progress.total for message in before}
    assert len(totals) == 1
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == totals.pop() > 0


@pytest.mark.parametrize("name", LONG)
def test_nothing_is_told_where_it_is_not_asked_for(name: str, stubs: Stubs) -> None:
    assert progress_and_response(stubs, photograph(name), progress=False)[0] == []


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_method_tells_nothing(name: str, stubs: Stubs) -> None:
    assert progress_and_response(stubs, photograph(name), progress=True)[0] == []


def test_progress_counts_changed_pictures_batch_by_batch(team: TeamServer, pace: Pace) -> None:
    before, _ = progress_and_response(team.stubs, rise(1, 20), progress=True)
    assert [(one.progress.done, one.progress.total) for one in before] == [(0, 20), (8, 20), (16, 20), (20, 20)]
    assert pace.sizes() == [1, 8, 8, 4]


def test_progress_comes_while_the_method_runs(team: TeamServer, pace: Pace) -> None:
    pace.hold_after(2)
    asked = AttributeStreamRequest(id="one", request=rise(1, 24), progress=True)
    stream = team.stubs.attribute_stream(iter([asked]), timeout=SECONDS)
    assert [next(stream).progress.done for _ in range(2)] == [0, INNER]
    pace.wait_until_held(2)
    pace.let_go()
    assert [message.progress.done for message in stream] == [16, 24, 0]


def test_progress_has_the_id_of_its_request_and_goes_to_who_asks_for_it(team: TeamServer, pace: Pace) -> None:
    requests = [
        AttributeStreamRequest(id="told", request=rise(1, 24), progress=True),
        AttributeStreamRequest(id="silent", request=rise(2, 24)),
        AttributeStreamRequest(id="quick", request=grad_cam(3), progress=True),
        AttributeStreamRequest(id="bad", request=rise(4, 0), progress=True),
    ]
    lone = {one.id: team.stubs.attribute(one.request, timeout=SECONDS) for one in requests[:3]}
    found = list(team.stubs.attribute_stream(iter(requests), timeout=SECONDS))
    told = [message.progress.done for message in found if message.HasField("progress")]
    assert told == [0, 8, 16, 24]
    assert {message.id for message in found if message.HasField("progress")} == {"told"}
    last = {message.id: message for message in found}
    for name, response in lone.items():
        assert_same(last[name].response, response)
    assert Refusal.of_status(last["bad"].error).field == "method.rise.masks"


def test_more_progress_than_the_window_holds_stops_no_stream(team: TeamServer) -> None:
    requests = [AttributeStreamRequest(id=str(place), request=rise(place, 32), progress=True) for place in range(80)]
    found = list(team.stubs.attribute_stream(iter(requests), timeout=SECONDS))
    assert sum(message.HasField("response") for message in found) == 80
    assert sum(message.HasField("progress") for message in found) == 80 * 5


def running(team: TeamServer) -> float:
    return team.process.metric("convscope_calls_running")


CALLS: dict[str, Callable[[Stubs, int], Any]] = {
    "Attribute": lambda stubs, masks: stubs.attribute.future(rise(1, masks), timeout=SECONDS),
    "AttributeStream": lambda stubs, masks: stubs.attribute_stream(
        iter([AttributeStreamRequest(request=rise(1, masks))]), timeout=SECONDS
    ),
    "Compare": lambda stubs, masks: stubs.compare.future(comparison(1, masks), timeout=SECONDS),
    "AnalyzeFailure": lambda stubs, masks: stubs.analyze_failure.future(failure(1, masks), timeout=SECONDS),
}


@pytest.mark.parametrize("rpc", CALLS)
def test_a_caller_who_goes_in_the_middle_ends_the_work_after_its_internal_batch(
    rpc: str, team: TeamServer, pace: Pace
) -> None:
    lone = team.stubs.attribute(rise(2, 16), timeout=SECONDS)
    pace = Pace(team.gates)
    # The pass that quick methods share comes before the one that RISE begins with.
    first = [1, 1] if rpc == "Compare" else [1]
    held = len(first) + 1
    wait_until(lambda: running(team) == 0, "earlier calls to be counted")
    pace.hold_after(held)
    call = CALLS[rpc](team.stubs, MANY)
    pace.wait_until_held(held)
    waiting = team.send(rise(2, 16))
    also_going = team.stubs.attribute.future(rise(3, MANY), timeout=SECONDS)
    team.wait_until_queued(2, "paced")
    for one in (call, also_going):
        one.cancel()
    # The server hears of the one in the queue last, and its thread is free at once.
    wait_until(lambda: running(team) == 2, "the server to hear of it")
    pace.let_go()
    assert_same(waiting.result(SECONDS), lone)
    assert pace.sizes() == [*first, INNER, INNER, 1, INNER, INNER]
    wait_until(lambda: running(team) == 0, "every call to end")
    assert team.process.metric("convscope_calls_total", rpc=rpc, code="CANCELLED") >= 1


@pytest.mark.parametrize("rpc", ["Attribute", "Compare"])
def test_a_deadline_in_the_middle_ends_the_work_after_its_internal_batch(
    rpc: str, team: TeamServer, pace: Pace
) -> None:
    lone = team.stubs.attribute(rise(2, 16), timeout=SECONDS)
    pace = Pace(team.gates)
    first = [1, 1] if rpc == "Compare" else [1]
    held = len(first) + 1
    pace.hold_after(held)
    call: Any
    if rpc == "Compare":
        call = team.stubs.compare.future(comparison(1, MANY), timeout=3)
    else:
        call = team.stubs.attribute.future(rise(1, MANY), timeout=3)
    pace.wait_until_held(held)
    waiting = team.send(rise(2, 16))
    team.wait_until_queued(1, "paced")
    error = call.exception(SECONDS)
    assert isinstance(error, grpc.RpcError)
    assert Refusal.of(error).code == "DEADLINE_EXCEEDED"
    wait_until(lambda: running(team) == 1, "the call to end also in the server; the other one waits")
    pace.let_go()
    assert_same(waiting.result(SECONDS), lone)
    assert pace.sizes() == [*first, INNER, INNER, 1, INNER, INNER]


def test_a_quick_call_is_answered_while_a_long_one_runs(team: TeamServer, pace: Pace) -> None:
    lone = [team.stubs.attribute(request, timeout=SECONDS) for request in (rise(1, 32), grad_cam(2), rise(3, 8))]
    pace = Pace(team.gates)
    pace.hold_after(2)
    long = team.send(rise(1, 32))
    pace.wait_until_held(2)
    other = team.send(rise(3, 8))
    team.wait_until_queued(1, "paced")
    quick = team.send(grad_cam(2))
    team.wait_until_queued(2, "paced")
    pace.hold_after(4)
    assert_same(quick.result(SECONDS), lone[1])
    pace.wait_until_held(4)
    assert not long.done()
    assert not other.done()
    pace.let_go()
    assert_same(long.result(SECONDS), lone[0])
    assert_same(other.result(SECONDS), lone[2])
    assert pace.sizes() == [1, 8, 8, 1, 8, 8, 1, 8]


def test_quick_calls_of_other_models_are_answered_while_a_long_one_runs(team: TeamServer, pace: Pace) -> None:
    lone = team.ask(5)
    pace.hold_after(2)
    long = team.send(rise(1, 32))
    pace.wait_until_held(2)
    quick = team.send(question(5))
    team.wait_until_queued(1)
    pace.hold_after(3)
    assert_same(quick.result(SECONDS), lone)
    assert not long.done()
    pace.let_go()
    assert long.result(SECONDS).attribution.data


def test_unloading_a_model_waits_for_its_long_method(team: TeamServer, pace: Pace) -> None:
    lone = team.stubs.attribute(rise(1, 32), timeout=SECONDS)
    pace = Pace(team.gates)
    pace.hold_after(2)
    long = team.send(rise(1, 32))
    pace.wait_until_held(2)
    unloading = team.pool.submit(team.stubs.unload_model, UnloadModelRequest(name="models/paced"), timeout=SECONDS)
    try:
        name = GetModelRequest(name="models/paced")
        wait_until(
            lambda: team.stubs.get_model(name, timeout=SECONDS).model.state == ModelState.MODEL_STATE_UNLOADED,
            "new calls to be refused",
        )
        assert refusal(lambda: team.stubs.attribute(rise(2, 8), timeout=SECONDS)).reason == "MODEL_NOT_LOADED"
        assert not unloading.done()
        pace.let_go()
        assert_same(long.result(SECONDS), lone)
        assert unloading.result(SECONDS).model.state == ModelState.MODEL_STATE_UNLOADED
        assert pace.sizes() == [1, 8, 8, 8, 8]
    finally:
        pace.let_go()
        unloading.exception(SECONDS)
        team.stubs.load_model(LoadModelRequest(name="models/paced"), timeout=SECONDS)


PACED = entry("paced", "paced", gates="{gates}")


def test_a_drain_lets_a_long_method_finish(tmp_path: Path) -> None:
    with team_server(tmp_path, PACED, models="paced") as team:
        lone = team.stubs.attribute(rise(1, 32), timeout=SECONDS)
        pace = Pace(team.gates)
        pace.hold_after(2)
        long = team.send(rise(1, 32))
        pace.wait_until_held(2)
        team.process.process.send_signal(signal.SIGTERM)
        wait_until(
            lambda: team.pool.submit(
                team.stubs.get_model, GetModelRequest(name="models/paced"), timeout=SECONDS
            ).exception(),
            "new calls to be refused",
        )
        assert not long.done()
        pace.let_go()
        assert_same(long.result(SECONDS), lone)
        assert team.process.wait_until_ended(SOON) == 0
        assert pace.sizes() == [1, 8, 8, 8, 8]


def test_a_drain_ends_a_long_method_when_the_grace_is_over(tmp_path: Path) -> None:
    with team_server(tmp_path, PACED, models="paced", drain_grace=0.5) as team:
        pace = Pace(team.gates)
        pace.hold_after(2)
        long = team.send(rise(1, MANY))
        pace.wait_until_held(2)
        team.process.process.send_signal(signal.SIGTERM)
        error = long.exception(SOON)
        assert isinstance(error, grpc.RpcError)
        assert error.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
        # gRPC tells the server of the end in a thread of its own, later than the caller: held until it has.
        team.process.wait_for("stopped")
        pace.let_go()
        assert team.process.wait_until_ended(SOON) == 0
        assert pace.sizes() == [1, 8, 8]


def test_a_long_method_is_counted_under_its_name(team: TeamServer, pace: Pace) -> None:
    labels = {"method": "rise", "model": "paced"}
    names = ("convscope_answers_total", "convscope_batch_size_count", "convscope_batch_size_sum")
    before = [team.process.metric(name, **labels) for name in names]
    assert team.stubs.attribute(rise(1, 24), timeout=SECONDS).attribution.data
    wait_until(lambda: team.process.metric(names[0], **labels) == before[0] + 1, "the answer to be counted")
    after = [team.process.metric(name, **labels) for name in names]
    assert [one - other for one, other in zip(after, before, strict=True)] == [1, 1, 1]
    assert pace.sizes() == [1, 8, 8, 8]
