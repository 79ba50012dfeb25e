"""attribute(on_progress=...): how far a long method is, and how it is given up."""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.client import (
    AsyncClient,
    Cancelled,
    Client,
    ClientError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ServerFault,
    Unavailable,
)
from convscope.client.client import LONG_TIMEOUT
from tests.clients.answers import assert_same_answer
from tests.clients.conftest import CLIENTS, Ask, Either
from tests.clients.names import LITE, RESNET
from tests.clients.stand_in import EndlessProgress, StandIn, standing_in
from tests.processes import ServerProcess, free_port

HOW: dict[str, Any] = {"model": LITE}
# Of each long method, so much of it that it takes a few batches, and how many changed pictures it runs.
LONG: dict[str, tuple[dict[str, Any], int]] = {
    "integrated_gradients": ({"steps": 40}, 40),
    "smooth_grad": ({"samples": 40}, 40),
    "var_grad": ({"samples": 40}, 40),
    "occlusion": ({"window": 32, "stride": 24}, 81),
    "rise": ({"masks": 40}, 40),
    "score_cam": ({"masks": 40}, 40),
    "ablation_cam": ({}, 512),
}
# It would take an hour.
ENDLESS: dict[str, Any] = {"method": "rise", "masks": 100_000}

# What is changed of a right question: the error, its reason and status (empty: no call was made).
REFUSED: dict[str, tuple[dict[str, Any], type[ClientError], str, str]] = {
    "unknown model": ({"model": "resnet5"}, NotFound, "UNKNOWN_MODEL", "NOT_FOUND"),
    "model not loaded": ({"model": "vgg16"}, FailedPrecondition, "MODEL_NOT_LOADED", "FAILED_PRECONDITION"),
    "unknown layer": ({"layer": "blocks.99"}, InvalidArgument, "UNKNOWN_LAYER", "INVALID_ARGUMENT"),
    "unknown class": ({"target": "taby"}, InvalidArgument, "UNKNOWN_CLASS", "INVALID_ARGUMENT"),
    "no picture": ({"image": b"no picture"}, InvalidArgument, "IMAGE_UNDECODABLE", "INVALID_ARGUMENT"),
    "missing file": ({"image": "missing.jpg"}, InvalidArgument, "IMAGE_UNREADABLE", ""),
    "unknown method": ({"method": "grad_cat"}, InvalidArgument, "UNKNOWN_METHOD", ""),
}


class GiveUp(Exception):
    """What a caller's own function raises."""


class Told(list[tuple[int, int]]):
    """What on_progress was called with."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


def ignore(done: int, total: int) -> None:
    """For who wants the long way and not the news."""


def give_up(done: int, total: int) -> None:
    raise GiveUp(f"at {done} of {total}")


@pytest.fixture(params=CLIENTS)
def endless(request: pytest.FixtureRequest) -> Iterator[tuple[Any, EndlessProgress]]:
    """Both clients, one after the other, of a server that never answers."""
    stream = EndlessProgress()
    with standing_in(StandIn(stream=stream)) as server:
        yield CLIENTS[request.param](server.address), stream


@pytest.mark.parametrize("method", LONG)
def test_a_long_method_tells_how_far_it_is(client: Client, cat_path: Path, method: str) -> None:
    parameters, pictures = LONG[method]
    told = Told()
    answer = client.attribute(cat_path, model=RESNET, method=method, on_progress=told, **parameters)
    assert answer.method == method
    assert len(told) >= 3
    assert {total for _, total in told} == {pictures}
    done = [done for done, _ in told]
    assert done == sorted(set(done)), "ever more"
    assert done[-1] == pictures, "until all are done"
    assert 0 <= done[0] < pictures


def test_the_answer_is_that_of_a_call_without_progress(either: Either, ask: Ask, cat_path: Path) -> None:
    how: dict[str, Any] = {"method": "occlusion", "window": 56, "stride": 56, "target": "tabby", "top_k": 2}
    told = Told()
    answer = either.attribute(cat_path, model=LITE, on_progress=told, data_type="float16", **how)
    assert told[-1] == (16, 16)
    assert_same_answer(answer, ask(cat_path, data_type="float16", **how))
    assert len(answer.predictions) == 2
    assert answer.overlay().size == (451, 300)


@pytest.mark.parametrize("method", ["grad_cam", "saliency", "guided_grad_cam"])
def test_a_quick_method_has_nothing_to_tell(either: Either, ask: Ask, cat_path: Path, method: str) -> None:
    told = Told()
    assert_same_answer(either.attribute(cat_path, on_progress=told, method=method, **HOW), ask(cat_path, method=method))
    assert told == []


def test_news_come_where_the_caller_is(either: Either, cat_path: Path) -> None:
    threads: set[threading.Thread] = set()
    either.attribute(
        cat_path, on_progress=lambda done, total: threads.add(threading.current_thread()),
        method="integrated_gradients", steps=4, **HOW,
    )  # fmt: skip
    assert threads == {threading.current_thread()}


async def test_the_event_loop_stays_free(server: ServerProcess, cat_path: Path) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()
    async with AsyncClient.connect(server.address) as client:
        long = asyncio.create_task(
            client.attribute(
                cat_path, on_progress=lambda done, total: loops.add(asyncio.get_running_loop()), **ENDLESS, **HOW
            )
        )
        quick = [await client.attribute(cat_path, method="grad_cam", **HOW) for _ in range(3)]
        assert [answer.method for answer in quick] == ["grad_cam"] * 3
        assert not long.done()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
    assert loops == {asyncio.get_running_loop()}


def test_what_the_function_raises_ends_the_call(either: Either, ask: Ask, cat_path: Path) -> None:
    with pytest.raises(GiveUp, match=r"at \d+ of 100000"):
        either.attribute(cat_path, on_progress=give_up, **ENDLESS, **HOW)
    # Long work is done one by one: this would wait for an hour if the server went on.
    assert ask(cat_path, method="integrated_gradients", steps=2).convergence_error is not None


def test_what_the_function_raises_cancels_the_call_on_the_server(endless: tuple[Any, EndlessProgress]) -> None:
    client, stream = endless
    with pytest.raises(GiveUp, match="at 1 of 1000000"):
        client.attribute(b"a picture", model="any", method="rise", on_progress=give_up)
    assert stream.ended.wait(10)
    (request,) = stream.requests
    assert (request.progress, request.request.method.WhichOneof("kind")) == (True, "rise")


def test_the_timeout_is_that_of_the_call(either: Either, ask: Ask, cat_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        either.attribute(cat_path, on_progress=ignore, timeout=1.5, **ENDLESS, **HOW)
    assert time.monotonic() - started < 10
    assert caught.value.status == "DEADLINE_EXCEEDED"
    assert ask(cat_path, method="integrated_gradients", steps=2).convergence_error is not None


@pytest.mark.parametrize(("timeout", "seconds"), [(None, LONG_TIMEOUT), (5.0, 5.0), (5000.0, 5000.0)])
def test_a_call_with_progress_has_ten_minutes_where_it_does_not_say(
    endless: tuple[Any, EndlessProgress], timeout: float | None, seconds: float
) -> None:
    client, stream = endless
    with pytest.raises(GiveUp):
        client.attribute(b"a picture", model="any", method="rise", on_progress=give_up, timeout=timeout)
    # gRPC sends it with three digits.
    assert stream.seconds == pytest.approx(seconds, rel=0.01)


@pytest.mark.parametrize("case", REFUSED)
def test_errors_are_those_of_a_call_without_progress(either: Either, cat_path: Path, case: str) -> None:
    changes, error, reason, status = REFUSED[case]
    question = {"model": LITE, "method": "grad_cam", **changes}
    image = question.pop("image", cat_path)
    with pytest.raises(ClientError) as without:
        either.attribute(image, **question)
    with pytest.raises(ClientError) as caught:
        either.attribute(image, on_progress=ignore, **question)
    assert (type(caught.value), caught.value.reason, caught.value.status) == (error, reason, status)
    one, other = (error.value.__dict__.pop("correlation_id") for error in (caught, without))
    # Each call has a name of its own, where one was made.
    assert bool(one) == bool(other) == bool(status)
    assert not one or one != other
    assert vars(caught.value) == vars(without.value)


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_no_server_is_told_with_the_address(make: Any) -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=address):
        make(address).attribute(b"a picture", model="any", method="rise", on_progress=ignore)


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_a_stream_that_ends_without_an_answer_is_a_fault_of_the_server(make: Any) -> None:
    with standing_in(StandIn()) as server, pytest.raises(ServerFault, match="without an answer"):
        make(server.address).attribute(b"a picture", model="any", method="rise", on_progress=ignore)


def test_closing_the_client_cancels_the_call() -> None:
    stream = EndlessProgress()
    with standing_in(StandIn(stream=stream)) as server:
        client = Client.connect(server.address)
        with pytest.raises(Cancelled) as caught:
            client.attribute(b"a picture", model="any", method="rise", on_progress=lambda *_: client.close())
        assert caught.value.status == "CANCELLED"
        assert stream.ended.wait(10)


def streams() -> list[grpc.Call]:
    """What there is of gRPC's streams in this process."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), grpc.Call)]


@pytest.mark.parametrize(
    "question",
    [{"target": "taby", "on_progress": ignore}, {"on_progress": give_up}, {"on_progress": ignore, "timeout": 0.5}],
    ids=["the server's error", "the caller's error", "the deadline"],
)
def test_an_error_does_not_hold_its_stream(client: Client, cat_path: Path, question: dict[str, Any]) -> None:
    # Else a script that ends with this error now and then does not end.
    gc.collect()
    before = streams()
    with pytest.raises((ClientError, GiveUp)) as caught:
        client.attribute(cat_path, **ENDLESS, **HOW, **question)
    assert [stream for stream in streams() if stream not in before] == [], caught.value


async def test_closing_the_asynchronous_client_cancels_the_call() -> None:
    stream, told = EndlessProgress(), asyncio.Event()
    with standing_in(StandIn(stream=stream)) as server:
        client = AsyncClient.connect(server.address)
        call = asyncio.create_task(
            client.attribute(b"a picture", model="any", method="rise", on_progress=lambda *_: told.set())
        )
        await asyncio.wait_for(told.wait(), 10)
        await client.close()
        with pytest.raises(Cancelled) as caught:
            await call
        assert caught.value.status == "CANCELLED"
        assert await asyncio.to_thread(stream.ended.wait, 10)


async def test_a_cancelled_task_ends_its_call_in_the_server() -> None:
    stream, told = EndlessProgress(), asyncio.Event()
    with standing_in(StandIn(stream=stream)) as server:
        async with AsyncClient.connect(server.address) as client:
            call = asyncio.create_task(
                client.attribute(b"a picture", model="any", method="rise", on_progress=lambda *_: told.set())
            )
            await asyncio.wait_for(told.wait(), 10)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await asyncio.to_thread(stream.ended.wait, 10)
