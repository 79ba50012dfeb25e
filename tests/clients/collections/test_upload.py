"""Pictures into a collection over one stream: what can be sent, what is broken on the way, who ends it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2
from PIL import Image

from convscope.client import (
    AsyncClient,
    BrokenFile,
    Cancelled,
    Client,
    ClientError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Preprocessed,
    ResourceExhausted,
    ServerFault,
    Unavailable,
    channel,
    sending,
    uploading,
)
from tests.clients.collections.calls import (
    CLIENTS,
    SECONDS,
    Calls,
    names_of,
    noise,
)
from tests.clients.collections.stand_in import (
    CollectionServer,
    CollectionStandIn,
    Hold,
    plain,
    plain_png,
)
from tests.clients.job_stand_in import refuse
from tests.processes import free_port, wait_until


def test_everything_that_is_a_picture_can_be_uploaded(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path, cat_jpeg: bytes
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "cat.jpg").write_bytes(cat_jpeg)
    (tmp_path / "a.webp").write_bytes(b"no picture")
    name = kept.add_collection()
    things = [tmp_path / "cat.jpg", str(tmp_path / "a.webp"), plain(1), pixels, plain_png(2), bytearray(plain_png(3))]
    uploaded = calls(name, "upload", things)
    files = {request.file_name: request.content for request in kept.uploads[0]}
    assert list(files) == ["cat.jpg", "a.webp", "picture-2.png", "picture-3.png", "picture-4", "picture-5"]
    assert (files["cat.jpg"], files["picture-4"], files["picture-5"]) == (cat_jpeg, plain_png(2), plain_png(3))
    for file, expected in (("picture-2.png", np.asarray(plain(1))), ("picture-3.png", pixels)):
        with Image.open(BytesIO(files[file])) as picture:
            assert picture.format == "PNG"
            np.testing.assert_array_equal(np.asarray(picture), expected)
    assert (uploaded.added, uploaded.duplicates, uploaded.broken_count) == (5, 0, 1)
    assert uploaded.broken == (BrokenFile("a.webp", "10 bytes that are no JPEG, PNG or WebP picture"),)
    assert str(uploaded) == "5 images added, 1 broken"
    assert names_of(kept, name) == ["cat.jpg", "picture-2.png", "picture-3.png", "picture-4", "picture-5"]


def test_a_folder_stands_for_the_pictures_in_it_by_their_names(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path
) -> None:
    (tmp_path / "below.png").mkdir()
    for number, file in enumerate(["c.JPG", "a.png", "notes.txt", "b.jpeg", "d.WebP", "below.png/e.png", "f.gif"]):
        (tmp_path / file).write_bytes(plain_png(number))
    name = kept.add_collection()
    calls(name, "upload", tmp_path)
    calls(name, "upload", [str(tmp_path / "below.png"), tmp_path / "a.png"])
    sent = [[request.file_name for request in files] for files in kept.uploads]
    assert sent == [["a.png", "b.jpeg", "c.JPG", "d.WebP"], ["e.png", "a.png"]]
    assert kept.kept[name].record.duplicate_count == 1


def test_identical_images_are_kept_once_however_often_they_come(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    assert str(calls(name, "upload", [plain(1), plain(2), plain(1)])) == "2 images added, 1 there already"
    assert str(calls(name, "upload", plain(3))) == "1 image added"
    assert str(calls(name, "upload", np.stack([np.asarray(plain(3))] * 2))) == "0 images added, 2 there already"
    assert kept.kept[name].record.image_count == 3


def test_nothing_is_a_right_upload_too(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    name = kept.add_collection()
    assert str(calls(name, "upload", [])) == str(calls(name, "upload", tmp_path)) == "0 images added"


@pytest.mark.parametrize("count", [0, 8])
def test_an_upload_into_what_is_not_there_is_told(calls: Calls, kept: CollectionStandIn, count: int) -> None:
    with pytest.raises(NotFound) as caught:
        calls.unasked("upload", [noise(0)] * count)
    assert (caught.value.field, caught.value.reason) == ("collection", "UNKNOWN_COLLECTION")
    assert kept.uploads == [[]]


def test_progress_is_told_for_every_file_that_has_gone_out(calls: Calls, kept: CollectionStandIn) -> None:
    name, told = kept.add_collection(), list[tuple[int, int]]()

    def on_progress(done: int, total: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        told.append((done, total))

    calls(name, "upload", [plain(1), b"no picture", plain(2)], on_progress=on_progress)
    calls(name, "upload", (plain(number) for number in range(2)), on_progress=on_progress)
    assert told == [(1, 3), (2, 3), (3, 3), (1, 0), (2, 0)]


def test_a_generator_is_taken_from_as_its_pictures_are_sent(calls: Calls, kept: CollectionStandIn) -> None:
    name, made = kept.add_collection(), 0
    content = noise(0, 4_000_000)
    hold = kept.at_file = Hold(at=2)

    def pictures() -> Iterator[bytes]:
        nonlocal made
        for number in range(40):
            made += 1
            yield content + bytes([number])
        assert hold.go.is_set()

    def look() -> None:
        assert hold.reached.wait(SECONDS)
        # As long as it would take to read all.
        hold.go.wait(0.3)
        seen.append(made)
        hold.go.set()

    seen: list[int] = []
    looking = threading.Thread(target=look)
    looking.start()
    calls(name, "upload", pictures())
    looking.join()
    assert made == 40
    # Four megabytes each: a few are on the way, or in buffers of the network.
    assert seen[0] <= 10


def test_a_file_that_is_not_there_is_told_before_anything_is_sent(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path
) -> None:
    name = kept.add_collection()
    for missing in (tmp_path / "missing.jpg", str(tmp_path / "missing\0.jpg"), "~nobody/missing.jpg"):
        with pytest.raises(InvalidArgument, match=r"the picture .*missing.*\.jpg cannot be read: ") as caught:
            calls(name, "upload", [plain(1), missing])
        assert (caught.value.field, caught.value.reason, caught.value.status) == ("pictures", "IMAGE_UNREADABLE", "")
    assert kept.uploads == []


def test_what_goes_wrong_on_the_way_is_told_and_what_came_before_stays(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path
) -> None:
    def then(broken: Any) -> Iterator[Any]:
        yield plain(1)
        if isinstance(broken, Exception):
            raise broken
        yield broken

    name = kept.add_collection()
    with pytest.raises(InvalidArgument, match=r"missing\.jpg cannot be read") as caught:
        calls(name, "upload", then(tmp_path / "missing.jpg"))
    assert caught.value.field == "pictures"
    with pytest.raises(InvalidArgument, match="no picture of a collection") as caught:
        calls(name, "upload", then(Preprocessed(np.zeros((3, 8, 8)))))
    assert caught.value.field == "pictures"
    with pytest.raises(InvalidArgument, match="an array must be uint8") as caught:
        calls(name, "upload", then(np.zeros((8, 8))))
    assert caught.value.field == "pictures"
    with pytest.raises(ZeroDivisionError):
        calls(name, "upload", then(ZeroDivisionError()))
    assert kept.kept[name].record.image_count == 1


def test_a_file_that_is_too_large_to_be_sent_harms_no_other(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sending, uploading):
        monkeypatch.setattr(module, "LARGEST", 100_000)
    (tmp_path / "large.png").write_bytes(noise(0))
    told: list[tuple[int, int]] = []
    name = kept.add_collection()
    uploaded = calls(
        name, "upload", [plain(1), tmp_path / "large.png", noise(1), b"broken", plain(2)],
        on_progress=lambda *numbers: told.append(numbers),
    )  # fmt: skip
    assert (uploaded.added, uploaded.broken_count) == (2, 3)
    assert {file.name for file in uploaded.broken} == {"large.png", "picture-2", "picture-3"}
    assert "larger than the 64 MiB that can be sent" in uploaded.broken[-1].message
    assert told[-1] == (5, 5)


def test_a_file_whose_name_is_no_text_is_sent(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.png").write_bytes(plain_png(1))
    name = kept.add_collection()
    assert calls(name, "upload", tmp_path).added == 1
    assert names_of(kept, name) == ["caf?.png"]


# A call that is cut is tried again by gRPC while it has all of it, which takes seconds.
@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "OPTIONS", (*channel.OPTIONS, ("grpc.enable_retries", 0)))


CUTS: dict[str, Callable[[CollectionServer, grpc.ServicerContext], Any]] = {
    "a proxy says so": lambda server, context: context.abort(grpc.StatusCode.UNAVAILABLE, "cut"),
    "a proxy loses its server": lambda server, context: context.abort(grpc.StatusCode.INTERNAL, "RST_STREAM received"),
    "the server lets go": lambda server, context: context.abort(grpc.StatusCode.CANCELLED, ""),
    "the server is stopped": lambda server, context: server._server.stop(grace=None),
}


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("cut", CUTS)
def test_an_upload_that_is_cut_keeps_what_was_taken_and_may_be_done_again(
    calls: Calls, server: CollectionServer, kept: CollectionStandIn, cut: str
) -> None:
    name = kept.add_collection()
    pictures = [noise(number, 200_000) for number in range(12)]

    def at_file(number: int, context: grpc.ServicerContext) -> None:
        if number == 4:
            CUTS[cut](server, context)

    kept.at_file = at_file
    with pytest.raises(Unavailable, match="what was taken stays, and uploading all again adds the rest") as caught:
        calls(name, "upload", pictures)
    assert (caught.value.reason, caught.value.status) == ("UPLOAD_BROKEN_OFF", "UNAVAILABLE")
    kept.at_file = lambda number, context: None
    if cut == "the server is stopped":
        server.stop()
        server.start()
    wait_until(lambda: len(kept.upload_ends) == 1, "the server has ended the first")
    taken = kept.kept[name].record.image_count
    assert 3 <= taken <= 4
    uploaded = calls(name, "upload", pictures)
    assert (uploaded.added, uploaded.duplicates) == (12 - taken, taken)


REFUSALS: dict[str, tuple[int, str, type[ClientError]]] = {
    "no room": (code_pb2.RESOURCE_EXHAUSTED, "SERVER_BUSY", ResourceExhausted),
    "no store": (code_pb2.UNAVAILABLE, "STORE_AWAY", Unavailable),
    "no right": (code_pb2.PERMISSION_DENIED, "", PermissionDenied),
    "a defect": (code_pb2.INTERNAL, "INTERNAL", ServerFault),
}


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_a_server_says_in_the_middle_of_an_upload_is_not_lost(
    calls: Calls, kept: CollectionStandIn, refusal: str
) -> None:
    code, reason, error = REFUSALS[refusal]
    name = kept.add_collection()

    def at_file(number: int, context: grpc.ServicerContext) -> None:
        if number == 3:
            refuse(context, code, "not now", reason, "")

    kept.at_file = at_file
    # Many times: the status must not depend on how far the client has come with what it sends.
    for _ in range(5):
        with pytest.raises(error, match=r"^not now(, under \w+)?$") as caught:
            calls(name, "upload", [noise(0)] * 20)
        assert caught.value.reason == reason


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("kind", CLIENTS)
def test_without_a_server_an_upload_says_where_none_is(kind: str) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=f"^no convscope server answers at {nobody}") as caught:
        CLIENTS[kind](nobody).unasked("upload", [plain(1)])
    assert caught.value.reason == ""


def test_an_upload_has_the_timeout_that_it_is_given(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    kept.at_file = Hold(at=1)
    with pytest.raises(ClientError) as caught:
        calls(name, "upload", [plain(1)], timeout=0.3)
    assert caught.value.status == "DEADLINE_EXCEEDED"


def test_closing_the_client_ends_an_upload(server: CollectionServer, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    hold = kept.at_file = Hold(at=2)
    client = Client.connect(server.address)

    def close() -> None:
        hold.reached.wait(SECONDS)
        client.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(Cancelled, match="the client was closed"):
        client.collection(name).upload([plain(number) for number in range(4)])
    closing.join()


async def test_closing_the_asynchronous_client_ends_an_upload(
    server: CollectionServer, kept: CollectionStandIn
) -> None:
    name = kept.add_collection()
    hold = kept.at_file = Hold(at=2)
    client = AsyncClient.connect(server.address)
    uploading = asyncio.create_task((await client.collection(name)).upload([plain(number) for number in range(4)]))
    await asyncio.to_thread(hold.reached.wait, SECONDS)
    await client.close()
    with pytest.raises(Cancelled, match="the client was closed"):
        await uploading


async def test_a_task_that_is_cancelled_ends_its_upload(server: CollectionServer, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    hold = kept.at_file = Hold(at=2)
    async with AsyncClient.connect(server.address) as client:
        photos = await client.collection(name)
        uploading = asyncio.create_task(photos.upload([plain(number) for number in range(4)]))
        await asyncio.to_thread(hold.reached.wait, SECONDS)
        uploading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await uploading
        await asyncio.to_thread(wait_until, lambda: kept.upload_ends == ["gone"], "the server knows of it")
        kept.at_file = lambda number, context: None
        assert (await photos.upload([plain(number) for number in range(4)])).duplicates >= 1, "the client goes on"


def test_what_a_callback_raises_ends_the_upload(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    hold = kept.at_file = Hold(at=2)

    def on_progress(done: int, total: int) -> None:
        # A call that is cancelled at once may never come to the server.
        assert hold.reached.wait(SECONDS)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        calls(name, "upload", [plain(number) for number in range(4)], on_progress=on_progress)
    wait_until(lambda: kept.upload_ends == ["gone"], "the server knows of it")


async def test_an_event_loop_is_free_while_pictures_are_made(server: CollectionServer, kept: CollectionStandIn) -> None:
    name, free = kept.add_collection(), threading.Event()

    def pictures() -> Iterator[Any]:
        assert free.wait(SECONDS)
        yield plain(1)

    async with AsyncClient.connect(server.address) as client:
        uploading = asyncio.create_task((await client.collection(name)).upload(pictures()))
        await asyncio.sleep(0.05)
        free.set()
        assert (await uploading).added == 1
