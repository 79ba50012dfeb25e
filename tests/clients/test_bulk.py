"""attribute_many: many pictures over one stream."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from convscope.client import (
    AsyncClient,
    Attribution,
    Cancelled,
    Client,
    ClientError,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from convscope.v1.attribution_service_pb2 import AttributeStreamRequest, AttributeStreamResponse
from convscope.v1.attribution_service_pb2_grpc import (
    AttributionServiceServicer,
    add_AttributionServiceServicer_to_server,
)
from tests.clients.answers import assert_same_answer, class_of
from tests.clients.conftest import Ask
from tests.clients.names import LITE
from tests.processes import free_port

HOW: dict[str, Any] = {"model": LITE, "method": "grad_cam"}
AHEAD = 300


class Endless:
    """The same picture for ever; knows how often it was asked, and when nobody will ask again."""

    def __init__(self, picture: bytes) -> None:
        self._picture = picture
        self.asked = 0
        self.far_ahead = threading.Event()
        self.finished = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        try:
            while True:
                self.asked += 1
                if self.asked > AHEAD:
                    self.far_ahead.set()
                yield self._picture
        finally:
            self.finished.set()


def test_answers_come_in_the_order_of_the_pictures(client: Client, ask: Ask, photographs: dict[str, Path]) -> None:
    alone = {label: ask(path) for label, path in photographs.items()}
    order = list(photographs) * 5
    answers = list(client.attribute_many([photographs[label] for label in order], **HOW))
    assert len(answers) == len(order)
    for label, answer in zip(order, answers, strict=True):
        assert_same_answer(answer, alone[label])
        assert isinstance(answer, Attribution)
        assert class_of(answer).label == label


def test_what_attribute_takes_attribute_many_takes(client: Client, ask: Ask, cat_path: Path) -> None:
    how: dict[str, Any] = {"target": "tabby", "layer": "blocks.10", "relu": False, "top_k": 2, "data_type": "float16"}
    (answer,) = client.attribute_many([cat_path], **HOW, **how)
    assert isinstance(answer, Attribution)
    assert_same_answer(answer, ask(cat_path, **how))
    assert answer.values.dtype == np.float16
    assert len(answer.predictions) == 2
    assert answer.picture is not None
    assert answer.overlay().size == answer.picture.size


def test_a_picture_that_fails_has_its_error_in_its_place(client: Client, cat_path: Path, cat_jpeg: bytes) -> None:
    pictures: list[Any] = [
        cat_path,
        "missing.jpg",
        cat_path,
        b"no picture",
        cat_jpeg[:2000],
        np.zeros((9, 9, 3)),
        cat_path,
    ]
    outcomes = list(client.attribute_many(pictures, **HOW))
    assert [reason(outcome) for outcome in outcomes] == [
        "", "IMAGE_UNREADABLE", "", "IMAGE_UNDECODABLE", "IMAGE_UNDECODABLE", "IMAGE_INVALID", "",
    ]  # fmt: skip
    assert [getattr(outcome, "field", None) for outcome in outcomes[1:4]] == ["image", None, "image.encoded"]


def test_a_picture_too_large_to_send_has_its_error_in_its_place(client: Client, cat_path: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    outcomes = list(client.attribute_many([cat_path, large, cat_path], **HOW))
    assert [reason(outcome) for outcome in outcomes] == ["", "MESSAGE_TOO_LARGE", ""]


def test_a_failure_of_every_picture_is_the_outcome_of_each(client: Client, cat_path: Path) -> None:
    outcomes = list(client.attribute_many([cat_path] * 3, model="vgg", method="grad_cam"))
    assert [type(outcome) for outcome in outcomes] == [NotFound] * 3
    outcomes = list(client.attribute_many([cat_path] * 3, model=LITE, method="grad_cat"))
    assert [(type(outcome), reason(outcome)) for outcome in outcomes] == [(InvalidArgument, "UNKNOWN_METHOD")] * 3


def test_no_pictures_no_answers(client: Client) -> None:
    assert list(client.attribute_many([], **HOW)) == []


def test_pictures_are_asked_for_as_the_stream_goes(client: Client, small_jpeg: bytes) -> None:
    answers = client.attribute_many(Endless(small_jpeg), **HOW)
    assert [type(next(answers)) for _ in range(5)] == [Attribution] * 5
    close(answers)


def test_a_slow_reader_holds_the_pictures_back(client: Client, small_jpeg: bytes) -> None:
    pictures = Endless(small_jpeg)
    answers = client.attribute_many(pictures, **HOW)
    next(answers)
    ran_away = pictures.far_ahead.wait(timeout=3)
    close(answers)
    assert not ran_away, f"one answer was taken and more than {AHEAD} pictures were read, each held in memory"


def test_an_error_of_the_iterable_arrives_after_the_answers_before_it(client: Client, cat_path: Path) -> None:
    def pictures() -> Iterator[Path]:
        yield cat_path
        yield cat_path
        raise LookupError("the disk is gone")

    answers = client.attribute_many(pictures(), **HOW)
    assert [type(next(answers)) for _ in range(2)] == [Attribution, Attribution]
    with pytest.raises(LookupError, match="the disk is gone"):
        next(answers)


def test_breaking_off_half_way_ends_the_iterable(client: Client, ask: Ask, small_jpeg: bytes) -> None:
    pictures = Endless(small_jpeg)
    for _ in client.attribute_many(pictures, **HOW):
        break
    assert pictures.finished.wait(timeout=10)
    assert isinstance(ask(small_jpeg), Attribution)


def test_breaking_off_does_not_wait_for_the_iterable(client: Client, small_jpeg: bytes) -> None:
    go_on = threading.Event()

    def pictures() -> Iterator[bytes]:
        yield small_jpeg
        go_on.wait(60)

    answers = client.attribute_many(pictures(), **HOW)
    next(answers)
    closing = threading.Thread(target=close, args=(answers,))
    closing.start()
    closing.join(5)
    stuck = closing.is_alive()
    go_on.set()
    closing.join()
    assert not stuck


def test_streams_broken_off_leave_room_for_others(client: Client, small_jpeg: bytes) -> None:
    all_tried = threading.Event()

    def pictures() -> Iterator[bytes]:
        yield small_jpeg
        all_tried.wait(60)

    for _ in range(20):  # more than a server has places for streams
        answers = client.attribute_many(pictures(), **HOW)
        assert isinstance(next(answers), Attribution)
        close(answers)
    all_tried.set()


def test_the_timeout_is_that_of_the_whole_stream(client: Client, small_jpeg: bytes) -> None:
    with pytest.raises(DeadlineExceeded):
        for _ in client.attribute_many(Endless(small_jpeg), timeout=0.5, **HOW):
            pass


def test_without_a_server_the_stream_is_unavailable(small_jpeg: bytes) -> None:
    address = f"127.0.0.1:{free_port()}"
    with Client.connect(address) as client, pytest.raises(Unavailable, match=address):
        list(client.attribute_many([small_jpeg], **HOW))


def reason(outcome: Attribution | ClientError) -> str:
    """Empty for an answer."""
    return outcome.reason if isinstance(outcome, ClientError) else ""


def close(answers: Iterator[Any]) -> None:
    """Break off: what a `for` loop does that ends early."""
    answers.close()  # type: ignore[attr-defined]


class Leaving(AttributionServiceServicer):
    """Sends its streams away after so many answers each; an answer is an error that names its picture."""

    def __init__(self, answers: Sequence[int]) -> None:
        """answers: of each stream; of a later one all."""
        self._answers = list(answers)
        self.streams = 0
        self.seen: list[int] = []

    def AttributeStream(
        self, request_iterator: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[AttributeStreamResponse]:
        most = self._answers[self.streams] if self.streams < len(self._answers) else None
        self.streams += 1
        for number, request in enumerate(request_iterator):
            if number == most:
                break
            self.seen.append(int(request.id))
            response = AttributeStreamResponse(id=request.id)
            response.error.code = grpc.StatusCode.NOT_FOUND.value[0]
            response.error.message = request.request.image.encoded.decode()
            yield response
        if most is not None:
            context.abort(grpc.StatusCode.CANCELLED, "")


@contextmanager
def leaving(*answers: int) -> Iterator[tuple[Leaving, str]]:
    servicer = Leaving(answers)  # type: ignore[abstract]  # of its calls one is made
    server = grpc.server(ThreadPoolExecutor(8))
    add_AttributionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield servicer, f"127.0.0.1:{port}"
    finally:
        server.stop(0)


PICTURES = [f"picture {number}".encode() for number in range(150)]
"""More than are ever on their way."""


def said(outcomes: Sequence[Attribution | ClientError]) -> list[bytes]:
    return [outcome.message.encode() for outcome in outcomes if isinstance(outcome, ClientError)]


@pytest.mark.parametrize("answers", [(0,), (3,), (0, 0, 0), (70, 0, 2)], ids=str)
def test_a_stream_that_is_sent_away_goes_on_at_another_server(answers: tuple[int, ...]) -> None:
    with leaving(*answers) as (servicer, target), Client.connect(target) as client:
        assert said(list(client.attribute_many(iter(PICTURES), **HOW))) == PICTURES
        assert servicer.streams == len(answers) + 1


@pytest.mark.parametrize("answers", [(0,), (3,), (70, 0, 2)], ids=str)
async def test_so_does_one_of_the_asynchronous_client(answers: tuple[int, ...]) -> None:
    with leaving(*answers) as (servicer, target):
        async with AsyncClient.connect(target) as client:
            outcomes = [outcome async for outcome in client.attribute_many(iter(PICTURES), **HOW)]
        assert said(outcomes) == PICTURES
        assert servicer.streams == len(answers) + 1


def test_one_that_is_always_sent_away_is_given_up() -> None:
    with leaving(*[0] * 50) as (servicer, target), Client.connect(target) as client:
        with pytest.raises(Cancelled):
            list(client.attribute_many(iter(PICTURES), **HOW))
        assert servicer.streams == 5


def test_what_images_raise_is_raised_behind_the_answers_also_where_the_stream_was_sent_away() -> None:
    def images() -> Iterator[bytes]:
        yield from PICTURES[:5]
        raise RuntimeError("the disk is gone")

    with leaving(2) as (_, target), Client.connect(target) as client:
        outcomes = client.attribute_many(images(), **HOW)
        found = [next(outcomes) for _ in range(5)]
        assert said(found) == PICTURES[:5]
        with pytest.raises(RuntimeError, match="disk"):
            next(outcomes)
