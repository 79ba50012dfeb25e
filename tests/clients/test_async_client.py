"""The asynchronous client: the methods of Client, awaited."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.client import (
    AsyncClient,
    Attribution,
    Cancelled,
    Client,
    ClientError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from convscope.v1.attribution_service_pb2 import AttributeStreamRequest, AttributeStreamResponse
from tests.clients.answers import assert_same_answer, class_of
from tests.clients.names import CATS, LITE, RESNET, UNLOADED
from tests.clients.stand_in import PAGE, StandIn, Waiting, standing_in
from tests.processes import ServerProcess, free_port

HOW: dict[str, Any] = {"model": LITE, "method": "grad_cam"}
COUNTERPARTS = {"__aenter__": "__enter__", "__aexit__": "__exit__"}


def public_methods(cls: type) -> set[str]:
    """Names of what can be called from outside."""
    return {name for name, _ in inspect.getmembers(cls, callable) if not name.startswith("_")}


@pytest.fixture
async def async_client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient.connect(server.address) as client:
        yield client


def test_both_clients_have_the_same_methods() -> None:
    assert public_methods(AsyncClient) == public_methods(Client)


@pytest.mark.parametrize("name", ["__init__", *COUNTERPARTS, *sorted(public_methods(Client))])
def test_both_clients_take_the_same_parameters(name: str) -> None:
    expected = inspect.signature(getattr(Client, COUNTERPARTS.get(name, name)))
    assert inspect.signature(getattr(AsyncClient, name)).parameters == expected.parameters


async def test_models_layers_and_classes_are_those_of_the_synchronous_client(
    async_client: AsyncClient, client: Client, cat_path: Path
) -> None:
    assert await async_client.ready() is True
    assert await async_client.models() == client.models()
    assert await async_client.model(LITE) == client.model(LITE)
    assert await async_client.layers(RESNET) == client.layers(RESNET)
    found = await async_client.classify(cat_path, model=LITE, top_k=3)
    assert [one.index for one in found] == [one.index for one in client.classify(cat_path, model=LITE, top_k=3)]


async def test_models_follows_every_page() -> None:
    names = tuple(f"model{number:03}" for number in range(PAGE + 1))
    with standing_in(StandIn(models=names)) as server:
        async with AsyncClient.connect(server.address) as client:
            assert tuple(model.name for model in await client.models()) == names


async def test_attribute_gives_the_answer_of_the_synchronous_client(
    async_client: AsyncClient, client: Client, cat_path: Path
) -> None:
    how: dict[str, Any] = {"target": "tabby", "layer": "blocks.10", "relu": False, "top_k": 3, "data_type": "float16"}
    answer = await async_client.attribute(cat_path, **HOW, **how)
    assert_same_answer(answer, client.attribute(cat_path, **HOW, **how))
    assert len(answer.predictions) == 3
    assert answer.overlay().size == (451, 300)


async def test_a_model_is_loaded_and_unloaded(async_client: AsyncClient, cat_path: Path) -> None:
    try:
        assert (await async_client.load_model(UNLOADED)).state == "loaded"
        answer = await async_client.attribute(cat_path, model=UNLOADED, method="grad_cam")
        assert class_of(answer).index in CATS
    finally:
        assert (await async_client.unload_model(UNLOADED)).state == "unloaded"
    with pytest.raises(FailedPrecondition):
        await async_client.attribute(cat_path, model=UNLOADED, method="grad_cam")


async def test_32_calls_at_once_get_the_answers_that_each_would_get_alone(
    async_client: AsyncClient, client: Client, photographs: dict[str, Path]
) -> None:
    alone = {label: client.attribute(path, **HOW) for label, path in photographs.items()}
    labels = (list(photographs) * 11)[:32]
    answers = await asyncio.gather(*(async_client.attribute(photographs[label], **HOW) for label in labels))
    for label, answer in zip(labels, answers, strict=True):
        assert_same_answer(answer, alone[label])


async def test_attribute_many_gives_answers_in_order_and_failures_in_their_places(
    async_client: AsyncClient, client: Client, photographs: dict[str, Path]
) -> None:
    alone = {label: client.attribute(path, **HOW) for label, path in photographs.items()}
    pictures: list[Any] = [*photographs.values(), "missing.jpg", b"no picture", *photographs.values()]
    outcomes = [outcome async for outcome in async_client.attribute_many(pictures, **HOW)]
    assert [one.reason for one in outcomes if isinstance(one, ClientError)] == ["IMAGE_UNREADABLE", "IMAGE_UNDECODABLE"]
    assert all(isinstance(one, ClientError) for one in outcomes[3:5])
    for expected, outcome in zip([*alone.values()] * 2, outcomes[:3] + outcomes[5:], strict=True):
        assert_same_answer(outcome, expected)


async def test_an_error_of_the_iterable_arrives_after_the_answers_before_it(
    async_client: AsyncClient, cat_path: Path
) -> None:
    def pictures() -> Iterator[Path]:
        yield cat_path
        raise LookupError("the disk is gone")

    answers = aiter(async_client.attribute_many(pictures(), **HOW))
    assert isinstance(await anext(answers), Attribution)
    with pytest.raises(LookupError, match="the disk is gone"):
        await anext(answers)


async def test_breaking_off_half_way_ends_the_iterable(async_client: AsyncClient, cat_jpeg: bytes) -> None:
    finished = asyncio.Event()

    def pictures() -> Iterator[bytes]:
        try:
            while True:
                yield cat_jpeg
        finally:
            finished.set()

    async for outcome in async_client.attribute_many(pictures(), **HOW):
        assert isinstance(outcome, Attribution)
        break
    await asyncio.wait_for(finished.wait(), 10)
    assert class_of(await async_client.attribute(cat_jpeg, **HOW)).index in CATS


async def test_a_slow_reader_holds_the_pictures_back(async_client: AsyncClient, small_jpeg: bytes) -> None:
    ahead, asked = 300, 0
    far_ahead = asyncio.Event()

    def pictures() -> Iterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            if asked > ahead:
                far_ahead.set()
            yield small_jpeg

    answers = async_client.attribute_many(pictures(), **HOW)
    await anext(aiter(answers))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(far_ahead.wait(), 3)


async def test_errors_are_those_of_the_synchronous_client(async_client: AsyncClient, cat_path: Path) -> None:
    with pytest.raises(NotFound) as unknown:
        await async_client.model("resnet5")
    assert (unknown.value.reason, unknown.value.status) == ("UNKNOWN_MODEL", "NOT_FOUND")
    with pytest.raises(InvalidArgument) as wrong:
        await async_client.attribute(cat_path, **HOW, target="taby")
    assert (wrong.value.reason, wrong.value.field) == ("UNKNOWN_CLASS", "target")
    with pytest.raises(InvalidArgument) as unsent:
        await async_client.attribute(cat_path, model=LITE, method="grad_cat")
    assert (unsent.value.reason, unsent.value.status) == ("UNKNOWN_METHOD", "")
    with pytest.raises(DeadlineExceeded):
        await async_client.classify(cat_path, model=LITE, timeout=0.001)


async def test_no_server_is_told_with_the_address(cat_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with AsyncClient.connect(address) as client:
        answers = aiter(client.attribute_many([cat_path], **HOW))
        outcomes = await asyncio.gather(client.models(), anext(answers), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert all(address in str(outcome) for outcome in outcomes)


async def test_a_cancelled_task_ends_its_call_in_the_server() -> None:
    waiting = Waiting()
    with standing_in(StandIn(answer=waiting)) as server:
        async with AsyncClient.connect(server.address) as client:
            task = asyncio.create_task(client.classify(b"a picture", model="any"))
            assert await asyncio.to_thread(waiting.under_way.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(waiting.ended.wait, 10)


async def test_closing_the_client_cancels_calls_under_way() -> None:
    waiting = Waiting()
    with standing_in(StandIn(answer=waiting)) as server:
        client = AsyncClient.connect(server.address)
        task = asyncio.create_task(client.classify(b"a picture", model="any"))
        assert await asyncio.to_thread(waiting.under_way.wait, 30)
        await client.close()
        with pytest.raises(Cancelled):
            await task


async def test_closing_the_client_cancels_a_stream_under_way(small_jpeg: bytes) -> None:
    waiting, ended = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def silent(
        requests: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[AttributeStreamResponse]:
        assert context.add_callback(ended.set)
        loop.call_soon_threadsafe(waiting.set)
        ended.wait(60)
        return iter(())

    async def first(client: AsyncClient) -> object:
        return await anext(aiter(client.attribute_many([small_jpeg], **HOW)))

    with standing_in(StandIn(stream=silent)) as server:
        client = AsyncClient.connect(server.address)
        task = asyncio.create_task(first(client))
        await asyncio.wait_for(waiting.wait(), 10)
        await client.close()
        with pytest.raises(Cancelled):
            await task
        assert await asyncio.to_thread(ended.wait, 10)


async def test_the_end_of_the_block_closes_the_client(server: ServerProcess) -> None:
    async with AsyncClient.connect(server.address) as client:
        assert await client.ready()
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await client.models()


def test_each_event_loop_may_have_a_client_of_its_own(server: ServerProcess) -> None:
    async def ready() -> bool:
        async with AsyncClient(server.address) as client:
            return await client.ready()

    assert [asyncio.run(ready()) for _ in range(3)] == [True] * 3
