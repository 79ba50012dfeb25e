"""Collections of images through the SDK: made, filled, indexed, asked, deleted, by both clients."""

import asyncio
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2
from numpy.typing import NDArray
from PIL import Image

from convscope.client import (
    AsyncClient,
    AsyncCollection,
    AsyncCollectionJob,
    BrokenFile,
    Cancelled,
    Client,
    ClientError,
    Collection,
    CollectionIndex,
    CollectionInfo,
    CollectionJob,
    CollectionMap,
    FailedPrecondition,
    Imported,
    InvalidArgument,
    NeighborComparison,
    Neighbors,
    NotFound,
    Patches,
    PermissionDenied,
    Preprocessed,
    ResourceExhausted,
    ServerFault,
    StateChange,
    Unavailable,
    channel,
    uploading,
)
from convscope.client.collection_parse import READINGS
from convscope.client.job_info import COLLECTION_KINDS
from convscope.client.sheet import LONGEST_WORDS, shortened
from convscope.engine.imaging.contact_sheet import CAPTION_HEIGHT
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.inspection_service_pb2 import (
    NEIGHBOR_METRIC_COSINE,
    NEIGHBOR_METRIC_L2,
    NEIGHBOR_SPACE_FEATURES,
    NEIGHBOR_SPACE_PIXELS,
    FindNeighborsRequest,
    FindPatchesRequest,
)
from convscope.v1.synthesis_service_pb2 import JobOptions
from tests.clients.collection_stand_in import (
    LENGTH,
    PAGE_HTML,
    PATCH,
    THUMBNAIL,
    CollectionServer,
    CollectionStandIn,
    Hold,
    npy,
    plain,
    plain_png,
    serving_collections,
)
from tests.clients.job_stand_in import png, refuse
from tests.clients.test_async_client import public_methods
from tests.processes import free_port, wait_until

MODEL = "resnet18_seeded"
SECONDS = 20.0
# Much larger than what gRPC keeps to try a call again, so that one that is cut stays cut.
LARGE = 400_000
UNASKED = CollectionInfo("collections/0001", "photos", None, 0, 0, 0, 0, (), (), ())


class Calls(ABC):
    """Methods of Client, and of a Collection, carried out by one of the two clients; for every call a client of its
    own."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def client(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        """A method of the client."""

    @abstractmethod
    def __call__(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        """A method of the collection of that name; what it gives one by one as a list."""

    @abstractmethod
    def unasked(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        """A method of collections/0001, of which no server was asked."""

    @abstractmethod
    def result(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        """What the job gives that a method of the collection begins."""


class Synchronous(Calls):
    """Client."""

    def client(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            return getattr(client, method)(*arguments, **how)

    def __call__(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            found = getattr(client.collection(name), method)(*arguments, **how)
            return list(found) if isinstance(found, Iterator) else found

    def unasked(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            return getattr(Collection(client._caller, UNASKED), method)(*arguments, **how)

    def result(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        with Client.connect(self.address) as client:
            return getattr(client.collection(name), method)(*arguments, **how).result(SECONDS)


class Asynchronous(Calls):
    """AsyncClient, in an event loop of its own."""

    def client(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                return await getattr(client, method)(*arguments, **how)

        return asyncio.run(call())

    def __call__(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                found = getattr(await client.collection(name), method)(*arguments, **how)
                return [one async for one in found] if isinstance(found, AsyncIterator) else await found

        return asyncio.run(call())

    def unasked(self, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                return await getattr(AsyncCollection(client._caller, UNASKED), method)(*arguments, **how)

        return asyncio.run(call())

    def result(self, name: str, method: str, /, *arguments: Any, **how: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient.connect(self.address) as client:
                job = await getattr(await client.collection(name), method)(*arguments, **how)
                return await job.result(SECONDS)

        return asyncio.run(call())


CLIENTS: dict[str, Callable[[str], Calls]] = {"Client": Synchronous, "AsyncClient": Asynchronous}


@pytest.fixture
def server() -> Iterator[CollectionServer]:
    """In place of the shared one, which has no collections."""
    with serving_collections() as server:
        yield server


@pytest.fixture
def kept(server: CollectionServer) -> CollectionStandIn:
    return server.collections


@pytest.fixture(params=CLIENTS)
def calls(request: pytest.FixtureRequest, server: CollectionServer) -> Calls:
    """Both clients, one after the other."""
    return CLIENTS[request.param](server.address)


@pytest.fixture
def client(server: CollectionServer) -> Iterator[Client]:
    with Client.connect(server.address) as client:
        yield client


@pytest.fixture
def photos(client: Client, kept: CollectionStandIn) -> Collection:
    """Six images and an index with patches of layer3."""
    name = kept.add_collection("holiday photos", images=6)
    kept.add_index(name, MODEL, "layer3")
    return client.collection(name)


def noise(number: int, bytes_at_least: int = LARGE) -> bytes:
    """A PNG that cannot be made smaller."""
    side = int((bytes_at_least / 3) ** 0.5) + 1
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    return png(Image.fromarray(pixels))


def names_of(kept: CollectionStandIn, name: str) -> list[str]:
    return [image.file_name for image, _ in kept.kept[name].images]


def of_type(kept: CollectionStandIn, kind: type) -> list[Any]:
    """The requests of that kind, in their order."""
    return [one for one in (*kept.asked, *kept.requests) if isinstance(one, kind)]


# Both clients alike.


@pytest.mark.parametrize(
    ("plain_class", "async_class"), [(Collection, AsyncCollection), (CollectionJob, AsyncCollectionJob)]
)
def test_both_clients_classes_have_the_same_methods_and_parameters(plain_class: type, async_class: type) -> None:
    assert public_methods(async_class) == public_methods(plain_class)
    for name in public_methods(plain_class):
        found, expected = (inspect.signature(getattr(cls, name)).parameters for cls in (async_class, plain_class))
        assert found == expected, name


def test_a_result_can_be_read_of_every_kind_of_job_on_a_collection() -> None:
    assert set(READINGS) == set(COLLECTION_KINDS)


# Made and found.


def test_a_collection_is_made_empty(calls: Calls, kept: CollectionStandIn) -> None:
    made = calls.client("create_collection", "holiday photos")
    (request,) = kept.asked
    assert (request.display_name, len(request.request_id)) == ("holiday photos", 32)
    assert (made.name, made.display_name, made.image_count, made.size) == ("collections/0001", "holiday photos", 0, 0)
    assert (made.indexes, made.jobs, made.broken, made.broken_count, made.duplicate_count) == ((), (), (), 0, 0)
    assert abs(made.created - datetime.now(UTC)) < timedelta(minutes=1)
    assert repr(made).endswith("Collection('collections/0001')")
    assert str(made) == "collections/0001: holiday photos, 0 images"


def test_a_call_with_one_name_or_a_lost_answer_makes_one_collection(calls: Calls, kept: CollectionStandIn) -> None:
    made = [calls.client("create_collection", "photos", request_id="mine").name for _ in range(2)]
    assert made == ["collections/0001"] * 2
    kept.lost_answers = 1
    assert calls.client("create_collection", "photos").name == "collections/0002"
    assert len(kept.kept) == 2


def test_a_collection_is_found_by_its_name_whole_or_short(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=2)
    kept.kept[name].record.jobs.append("jobs/7")
    kept.add_index(name, MODEL, "layer3", "fc")
    for one in (name, name.removeprefix("collections/")):
        found = calls.client("collection", one)
        assert (found.name, found.image_count, found.jobs) == (name, 2, ("jobs/7",))
    (index,) = found.indexes
    assert (index.model, index.layers, index.embedding_length) == (MODEL, ("layer3", "fc"), LENGTH)
    assert (index.image_count, index.patches_per_channel, index.size) == (2, 32, 1000)
    assert (index.embedding_layer, index.weights_digest, index.indexed_count) == ("", "ab" * 32, None)
    assert index.updated is not None
    assert str(index) == f"{MODEL}: 2 images, {LENGTH} numbers each, patches of layer3, fc"
    with pytest.raises(NotFound, match="there is no collections/nobody") as caught:
        calls.client("collection", "nobody")
    assert caught.value.reason == "UNKNOWN_COLLECTION"


def test_all_collections_are_listed_over_all_pages(calls: Calls, kept: CollectionStandIn) -> None:
    names = [kept.add_collection(f"photos {number}") for number in range(7)]
    found = calls.client("collections")
    assert [one.name for one in found] == names[::-1]
    assert found[0].display_name == "photos 6"
    assert [request.page_token for request in of_type(kept, messages.ListCollectionsRequest)] == ["", "3", "6"]


def test_refresh_tells_what_has_changed(client: Client, kept: CollectionStandIn) -> None:
    photos = client.create_collection("photos")
    kept._take(kept.kept[photos.name], "a.png", plain_png(0))
    assert photos.image_count == 0
    assert photos.refresh() is photos
    assert (photos.image_count, photos.size) == (1, len(plain_png(0)))


def test_what_is_deleted_is_not_found_any_more(calls: Calls, kept: CollectionStandIn) -> None:
    busy, idle = kept.add_collection(), kept.add_collection()
    kept.kept[busy].record.jobs.append("jobs/7")
    calls(idle, "delete")
    assert list(kept.kept) == [busy]
    with pytest.raises(NotFound):
        calls(idle, "refresh")
    with pytest.raises(FailedPrecondition, match="jobs/7 works on") as caught:
        calls(busy, "delete")
    assert caught.value.reason == "COLLECTION_BUSY"


# Filled.


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
    monkeypatch.setattr(uploading, "LARGEST", 100_000)
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
        with pytest.raises(error, match=r"^not now$") as caught:
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


# Its images.


def test_images_come_in_their_order_over_all_pages(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=5)
    found = calls(name, "images", page_size=2)
    assert [(one.number, one.file_name) for one in found] == [(n, f"image-{n}.png") for n in range(5)]
    assert (found[0].width, found[0].height, found[0].size) == (40, 30, len(plain_png(0)))
    assert len(found[0].sha256) == 64
    assert [request.page_token for request in of_type(kept, messages.ListImagesRequest)] == ["", "2", "4"]


def test_a_page_of_images_is_asked_for_when_it_is_needed(photos: Collection, kept: CollectionStandIn) -> None:
    found = photos.images(page_size=2)
    assert of_type(kept, messages.ListImagesRequest) == []
    assert [next(found).number for _ in range(3)] == [0, 1, 2]
    assert len(of_type(kept, messages.ListImagesRequest)) == 2


def test_an_image_is_fetched_by_its_number(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=3)
    picture = calls(name, "image", np.int64(2))
    assert (picture.mode, picture.tobytes()) == ("RGB", plain(2).tobytes())
    with pytest.raises(InvalidArgument, match="there is no image 3") as caught:
        calls(name, "image", 3)
    assert (caught.value.field, caught.value.reason) == ("number", "OUT_OF_RANGE")
    kept.kept[name].images[0] = (kept.kept[name].images[0][0], b"damaged")
    with pytest.raises(ServerFault, match="the image 0 cannot be decoded"):
        calls(name, "image", 0)


# Long work.


def test_an_import_tells_how_many_came(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    found = calls.result(name, "import_images", "file:///data/photos.zip", priority=7, request_id="mine")
    assert found == Imported(added=5, duplicates=2, broken_count=1)
    assert str(found) == "5 images added, 2 there already, 1 broken"
    expected = messages.ImportImagesRequest(
        collection=name, url="file:///data/photos.zip", options=JobOptions(request_id="mine", priority=7)
    )
    assert kept.requests == [expected]
    with pytest.raises(PermissionDenied, match="outside of what may be imported") as caught:
        calls(name, "import_images", "file:///etc")
    assert (caught.value.field, caught.value.reason) == ("url", "URL_NOT_ALLOWED")


def test_an_index_is_what_the_collection_has_from_then_on(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=4)
    made = calls.result(name, "index", model=MODEL, layers=["layer3", "fc"])
    assert isinstance(made, CollectionIndex)
    assert (made.model, made.layers, made.image_count, made.indexed_count) == (MODEL, ("layer3", "fc"), 4, 4)
    kept._take(kept.kept[name], "new.png", plain_png(9))
    again = calls.result(name, "index", model=MODEL, layers=("layer3", "fc"))
    assert (again.name, again.image_count, again.indexed_count) == (made.name, 5, 1)
    assert str(again) == f"{MODEL}: 5 images, {LENGTH} numbers each, patches of layer3, fc; 1 image run now"
    assert calls(name, "refresh").indexes == (again,)


def test_what_is_not_said_of_an_index_is_left_to_the_server(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=1)
    calls(name, "index", model=MODEL)
    calls(
        name, "index", model=f"models/{MODEL}", layers="layer3", embedding_layer="layer2",
        patches_per_channel=np.int32(5), priority=0, request_id="mine",
    )  # fmt: skip
    plain_request, full = kept.requests
    assert len(plain_request.options.request_id) == 32
    plain_request.options.ClearField("request_id")
    assert plain_request == messages.IndexCollectionRequest(
        collection=name, model=f"models/{MODEL}", options=JobOptions()
    )
    assert full == messages.IndexCollectionRequest(
        collection=name, model=f"models/{MODEL}", layers=["layer3"], embedding_layer="layer2", patches_per_channel=5,
        options=JobOptions(request_id="mine", priority=0),
    )  # fmt: skip


def test_nothing_is_indexed_without_images(calls: Calls, kept: CollectionStandIn) -> None:
    with pytest.raises(FailedPrecondition, match="has no images") as caught:
        calls(kept.add_collection(), "index", model=MODEL)
    assert caught.value.reason == "COLLECTION_EMPTY"


def test_a_map_has_a_place_for_every_image(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    name = kept.add_collection(images=4)
    kept.add_index(name, MODEL)
    made = calls.result(name, "project")
    assert isinstance(made, CollectionMap)
    assert (made.coordinates.dtype.name, made.coordinates.shape) == ("float32", (4, 2))
    assert made.coordinates.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert (made.picture.mode, made.picture.size, made.page) == ("RGB", (96, 48), PAGE_HTML)
    assert (made.image_count, made.collection) == (4, name)
    assert made.index == calls(name, "refresh").indexes[0].name
    assert (str(made), made.job.state) == ("a map of 4 images", "succeeded")
    assert len(repr(made)) < 3000
    paths = made.save(tmp_path / "some" / "map")
    assert [path.name for path in paths] == ["coordinates.npy", "map.png", "map.html"]
    files = kept.records[made.job.name].files
    assert {path.name: path.read_bytes() for path in (tmp_path / "some" / "map").iterdir()} == files
    made.save_page(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == PAGE_HTML
    assert made._repr_png_() == files["map.png"]


def test_all_that_is_said_of_a_map_is_sent(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=4)
    kept.add_index(name, MODEL)
    first = calls.result(name, "project", request_id="first")
    job = calls.client("collection_job", first.job.name)
    for index, onto in ((first.index, first.job.name), (calls(name, "refresh").indexes[0], first), (first.index, job)):
        calls(
            name, "project", index=index, method="tsne", perplexity=5, metric="cosine", seed=2**40, onto=onto,
            priority=3, request_id="second",
        )  # fmt: skip
    calls(name, "project", method="pca", onto=first.job.name.removeprefix("jobs/"), request_id="third")
    expected = messages.ProjectCollectionRequest(
        collection=name, index=first.index, method=messages.PROJECTION_METHOD_TSNE, perplexity=5.0, metric="cosine",
        seed=2**40, onto=first.job.name, options=JobOptions(request_id="second", priority=3),
    )  # fmt: skip
    assert kept.requests[1:4] == [expected] * 3
    assert kept.requests[0] == messages.ProjectCollectionRequest(
        collection=name, method=messages.PROJECTION_METHOD_TSNE, options=JobOptions(request_id="first")
    )
    assert (kept.requests[4].method, kept.requests[4].onto) == (messages.PROJECTION_METHOD_PCA, first.job.name)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "no array": (b"no array", "cannot be read"),
    "objects": (npy(np.array([None], dtype=object)), "cannot be read"),
    "float64": (npy(np.zeros((6, 2))), r"holds float64 \[6, 2\]"),
    "too few": (npy(np.zeros((5, 2), np.float32)), r"holds float32 \[5, 2\]"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_coordinates_that_are_none_are_a_fault_of_the_server(
    photos: Collection, kept: CollectionStandIn, damage: str
) -> None:
    content, words = DAMAGED[damage]
    kept.work = lambda name: kept.succeed(name, coordinates_npy=content)
    made = photos.project().result(SECONDS)
    with pytest.raises(ServerFault, match=words):
        _ = made.coordinates


def test_a_map_that_arrives_damaged_is_not_given(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=4)
    kept.add_index(name, MODEL)
    made = calls.result(name, "project")
    kept.records[made.job.name].files["map.html"] = PAGE_HTML[::-1]
    job = made.job.name
    with Client.connect(calls.address) as client, pytest.raises(ServerFault, match=r"map\.html is damaged"):
        client.collection_job(job).result()


@pytest.mark.parametrize("kind", COLLECTION_KINDS)
def test_a_job_of_any_kind_is_followed_and_ended_by_its_name(
    client: Client, photos: Collection, kept: CollectionStandIn, kind: str
) -> None:
    begin: dict[str, Callable[[], CollectionJob[Any]]] = {
        "import_images": lambda: photos.import_images("file:///data/photos"),
        "index_collection": lambda: photos.index(model=MODEL),
        "project_collection": photos.project,
    }
    begun = begin[kind]()
    assert repr(begun) == f"CollectionJob({begun.name!r})"
    job = client.job(begun.name)
    *_, last = job.watch()
    assert isinstance(last, StateChange)
    info = job.wait(SECONDS)
    assert (info.kind, info.state, last.state, info.step, info.total) == (kind, "succeeded", "succeeded", 4, 4)
    assert info.model == (MODEL if kind == "index_collection" else "")
    assert [one.name for one in client.jobs(kinds=kind)] == [job.name]
    if kind == "project_collection":
        assert job.download("map.html") == PAGE_HTML
    with pytest.raises(FailedPrecondition, match=f"{job.name} is {kind}, which makes no pictures") as caught:
        job.result()
    assert caught.value.reason == "JOB_OF_ANOTHER_KIND"
    again = client.collection_job(job.name.removeprefix("jobs/"))
    assert type(again.result()) is type(begun.result())
    job.cancel()
    job.delete()
    with pytest.raises(NotFound):
        client.collection_job(job.name)


async def test_the_asynchronous_client_finds_jobs_on_collections_too(
    server: CollectionServer, photos: Collection, kept: CollectionStandIn
) -> None:
    name = photos.import_images("file:///data/photos").name
    async with AsyncClient.connect(server.address) as client:
        job = await client.collection_job(name)
        assert repr(job) == f"AsyncCollectionJob({name!r})"
        assert (await job.wait(SECONDS)).state == await job.state == "succeeded"
        assert (await job.result()).added == 5
        with pytest.raises(FailedPrecondition, match="makes no pictures"):
            await (await client.job(name)).result()
        with pytest.raises(FailedPrecondition, match="is deep_dream, which is no work on a collection"):
            await client.collection_job(kept.add("deep_dream"))


def test_a_job_that_makes_pictures_is_none_on_a_collection(client: Client, kept: CollectionStandIn) -> None:
    with pytest.raises(FailedPrecondition, match="is deep_dream, which is no work on a collection") as caught:
        client.collection_job(kept.add("deep_dream"))
    assert caught.value.reason == "JOB_OF_ANOTHER_KIND"


def test_work_that_fails_or_is_cancelled_says_so(client: Client, photos: Collection, kept: CollectionStandIn) -> None:
    kept.work = kept.fail
    failed = photos.index(model=MODEL)
    kept.work = kept.end_cancelled
    cancelled = photos.project()
    waits: list[Callable[[float], object]] = [failed.result, failed.wait, client.job(failed.name).result]
    for wait in waits:
        with pytest.raises(ResourceExhausted, match="no memory is left"):
            wait(SECONDS)
    waits = [cancelled.result, cancelled.wait, client.job(cancelled.name).result]
    for wait in waits:
        with pytest.raises(Cancelled, match="was cancelled"):
            wait(SECONDS)


def test_an_answer_of_another_kind_is_a_fault_of_the_server(client: Client, kept: CollectionStandIn) -> None:
    name = kept.add("import_images")
    kept.succeed(name)
    with pytest.raises(ServerFault, match=r"is done and gave .*VisualizeClassResponse"):
        client.collection_job(name).result()


# What an index knows.


def test_patches_come_with_their_places_and_pictures(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=6)
    index = kept.add_index(name, MODEL, "layer3")
    found = calls(name, "find_patches", layer="layer3", channel=np.int64(7), k=4)
    assert isinstance(found, Patches)
    assert (len(found), found.exact, found.image_count, found.index_name) == (4, True, 6, index.id)
    assert (found.layer, found.channel, found.model) == ("layer3", 7, MODEL)
    patch = found[1]
    assert (patch.number, patch.file_name, patch.activation, patch.place) == (1, "image-1.png", 9.5, (1, 2))
    assert (patch.region, patch.input_region) == ((1.5, 2, 30, 40), (0, 1, 24, 17))
    assert patch.crop is not None
    assert patch.crop.tobytes() == plain(1, PATCH).tobytes()
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert str(patch) == "image-1.png at 1,2: 9.5"
    assert str(found) == f"layer3 channel 7 of {MODEL}: 4 of 6 images"
    (request,) = of_type(kept, FindPatchesRequest)
    assert request == FindPatchesRequest(
        collection=name, model=f"models/{MODEL}", layer="layer3", channel=7, k=4, crops=True
    )


def test_patches_are_drawn_large_enough_to_be_seen(photos: Collection) -> None:
    found = photos.find_patches("layer3", 7, k=6)
    # 24 x 16 pixels each: five times as large they have about 128.
    assert_rows(found.grid(), [[0, 1, 2], [3, 4, 5]], (5 * PATCH[0], 5 * PATCH[1]))
    shown = found._repr_png_()
    assert shown is not None
    with Image.open(BytesIO(shown)) as picture:
        assert picture.tobytes() == found.grid().tobytes()


def test_patches_may_come_without_pictures(photos: Collection, kept: CollectionStandIn) -> None:
    found = photos.find_patches("layer3", 7, several_per_image=True, crops=False)
    (request,) = of_type(kept, FindPatchesRequest)
    assert (request.several_per_image, request.crops, request.HasField("k")) == (True, False, False)
    assert (found[0].crop, found._repr_png_()) == (None, None)
    with pytest.raises(FailedPrecondition, match="the crops were not asked for"):
        found.grid()


def test_the_model_may_be_left_out_where_there_is_but_one(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=2)
    asks: list[tuple[str, tuple[Any, ...]]] = [
        ("find_patches", ("layer3", 7)), ("find_neighbors", (1,)), ("compare_neighbors", (1,)),
    ]  # fmt: skip
    for method, arguments in asks:
        with pytest.raises(InvalidArgument, match=f"a model must be named: {name} has no index") as caught:
            calls(name, method, *arguments)
        assert (caught.value.field, caught.value.status) == ("model", "")
    kept.add_index(name, MODEL, "layer3")
    kept.add_index(name, MODEL, "layer3", "fc")
    for method, arguments in asks:
        found = calls(name, method, *arguments)
        rows = [found.features, found.pixels] if isinstance(found, NeighborComparison) else [found]
        assert {row.model for row in rows} == {MODEL}
    kept.add_index(name, "another", "layer3")
    for method, arguments in asks:
        with pytest.raises(InvalidArgument, match=f"has indexes of another, {MODEL}") as caught:
            calls(name, method, *arguments)
        assert caught.value.field == "model"
        calls(name, method, *arguments, model="another")
    searches = of_type(kept, FindPatchesRequest) + of_type(kept, FindNeighborsRequest)
    assert {one.model for one in searches} == {f"models/{MODEL}", "models/another"}


def test_a_layer_that_no_index_has_is_told(photos: Collection) -> None:
    with pytest.raises(FailedPrecondition, match=r"no index of .* has the layer 'conv1'") as caught:
        photos.find_patches("conv1", 0)
    assert (caught.value.field, caught.value.reason) == ("layer", "NO_INDEX")


def test_neighbors_of_a_picture_come_with_what_the_model_says(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=6)
    index = kept.add_index(name, MODEL)
    found = calls(name, "find_neighbors", plain_png(9), k=3, metric="cosine", embedding_layer="layer2", model=MODEL)
    assert isinstance(found, Neighbors)
    assert (len(found), found.space, found.metric, found.model) == (3, "features", "cosine", MODEL)
    assert (found.index_name, found.image_count) == (index.id, 6)
    near = found[2]
    assert (near.number, near.file_name, near.distance, near.prediction.label) == (2, "image-2.png", 0.5, "tabby")
    assert near.thumbnail is not None
    assert (near.thumbnail.mode, near.thumbnail.size) == ("RGB", THUMBNAIL)
    assert str(near) == "image-2.png: 0.5, tabby 50.0%"
    expected = FindNeighborsRequest(
        collection=name, model=f"models/{MODEL}", k=3, space=NEIGHBOR_SPACE_FEATURES, metric=NEIGHBOR_METRIC_COSINE,
        embedding_layer="layer2", thumbnails=True,
    )  # fmt: skip
    expected.image.encoded = plain_png(9)
    assert of_type(kept, FindNeighborsRequest) == [expected]


@pytest.mark.parametrize("number", [0, 3, np.int64(3)], ids=str)
def test_neighbors_of_an_image_of_the_collection_go_by_its_number(
    calls: Calls, kept: CollectionStandIn, number: int
) -> None:
    name = kept.add_collection(images=6)
    kept.add_index(name, MODEL)
    found = calls(name, "find_neighbors", number, space="pixels", embedding_layer="", thumbnails=False)
    assert [one.number for one in found] == [one for one in range(6) if one != number]
    (request,) = of_type(kept, FindNeighborsRequest)
    assert (request.WhichOneof("query"), request.number, request.k) == ("number", number, 5)
    assert (request.space, request.metric) == (NEIGHBOR_SPACE_PIXELS, NEIGHBOR_METRIC_L2)
    assert request.HasField("embedding_layer")
    assert (found[0].thumbnail, found._repr_png_()) == (None, None)
    with pytest.raises(FailedPrecondition, match="the thumbnails were not asked for"):
        found.sheet()


@pytest.mark.parametrize("query", [5, plain(5)], ids=["a number", "a picture"])
def test_neighbors_by_features_and_by_pixels_are_compared_on_one_sheet(
    calls: Calls, kept: CollectionStandIn, query: Any
) -> None:
    name = kept.add_collection(images=6)
    kept.add_index(name, MODEL)
    found = calls(name, "compare_neighbors", query, k=3, metric="cosine")
    assert isinstance(found, NeighborComparison)
    assert (found.query.mode, found.query.tobytes()) == ("RGB", plain(5).tobytes())
    assert (found.features.space, found.features.metric) == ("features", "cosine")
    assert (found.pixels.space, found.pixels.metric) == ("pixels", "l2")
    assert [one.number for one in found.features] == [one.number for one in found.pixels] == [0, 1, 2]
    sheet = found.sheet()
    assert_rows(sheet, [[5, 0, 1, 2], [5, 0, 1, 2]])
    with Image.open(BytesIO(found._repr_png_())) as shown:
        assert shown.tobytes() == sheet.tobytes()
    assert_rows(found.features.sheet(), [[0, 1, 2]])
    assert_rows(found.features.sheet(plain(4)), [[4, 0, 1, 2]])


def test_a_large_query_is_drawn_as_small_as_its_neighbors(photos: Collection) -> None:
    found = photos.compare_neighbors(plain(5, (1200, 800)), k=2)
    assert found.query.size == (1200, 800)
    assert_rows(found.sheet(), [[5, 0, 1], [5, 0, 1]])
    assert max(found.sheet().size) < 600


def test_a_preprocessed_array_cannot_be_compared_pixel_by_pixel(photos: Collection, kept: CollectionStandIn) -> None:
    before = len(kept.asked)
    with pytest.raises(InvalidArgument, match="cannot be compared pixel by pixel") as caught:
        photos.compare_neighbors(Preprocessed(np.zeros((3, 8, 8))))
    assert (caught.value.field, len(kept.asked)) == ("image", before)


def test_a_files_name_of_any_length_fits_below_its_picture(photos: Collection, kept: CollectionStandIn) -> None:
    short = photos.find_patches("layer3", 0, k=4).grid().width
    for number, (image, _) in enumerate(kept.kept[photos.name].images):
        image.file_name = f"a\nname\twith {'x' * 900} in it {number}.png"
    assert photos.find_patches("layer3", 0, k=4).grid().width < 2 * short
    assert (shortened("cat.png"), shortened("a\n cat\t.png")) == ("cat.png", "a cat .png")
    words = shortened(f"holiday{'x' * 50}1234.png")
    assert len(words) == LONGEST_WORDS
    assert (words[:7], words[-8:]) == ("holiday", "1234.png")


# What is wrong is told before any call.

WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("upload", (5,), {}, "pictures"),
    ("upload", ("missing.jpg",), {}, "pictures"),
    ("images", (), {"page_size": "3"}, "page_size"),
    ("image", ("3",), {}, "number"),
    ("image", (True,), {}, "number"),
    ("image", (2**63,), {}, "number"),
    ("import_images", (5,), {}, "url"),
    ("import_images", (Path("/data"),), {}, "url"),
    ("import_images", ("file:///data",), {"priority": "high"}, "priority"),
    ("import_images", ("file:///data",), {"request_id": 7}, "request_id"),
    ("index", (), {"model": None}, "model"),
    ("index", (), {"model": MODEL, "layers": 5}, "layers"),
    ("index", (), {"model": MODEL, "layers": ["layer3", 5]}, "layers[1]"),
    ("index", (), {"model": MODEL, "embedding_layer": 5}, "embedding_layer"),
    ("index", (), {"model": MODEL, "patches_per_channel": 1.5}, "patches_per_channel"),
    ("project", (), {"index": 5}, "index"),
    ("project", (), {"method": "umap"}, "method"),
    ("project", (), {"method": ["tsne"]}, "method"),
    ("project", (), {"perplexity": "30"}, "perplexity"),
    ("project", (), {"perplexity": float("nan")}, "perplexity"),
    ("project", (), {"metric": 2}, "metric"),
    ("project", (), {"seed": 0.5}, "seed"),
    ("project", (), {"onto": 5}, "onto"),
    ("find_patches", (3, 7), {}, "layer"),
    ("find_patches", ("layer3", "7"), {}, "channel"),
    ("find_patches", ("layer3", 2**31), {}, "channel"),
    ("find_patches", ("layer3", 7), {"k": 1.5}, "k"),
    ("find_patches", ("layer3", 7), {"model": 5}, "model"),
    ("find_patches", ("layer3", 7), {"several_per_image": 1}, "several_per_image"),
    ("find_patches", ("layer3", 7), {"crops": None}, "crops"),
    ("find_neighbors", ("missing.jpg",), {}, "image"),
    ("find_neighbors", (True,), {}, "image"),
    ("find_neighbors", (1.5,), {}, "image"),
    ("find_neighbors", (2**63,), {}, "number"),
    ("find_neighbors", (1,), {"k": None}, "k"),
    ("find_neighbors", (1,), {"space": "colours"}, "space"),
    ("find_neighbors", (1,), {"metric": "l1"}, "metric"),
    ("find_neighbors", (1,), {"embedding_layer": 3}, "embedding_layer"),
    ("find_neighbors", (1,), {"model": 5}, "model"),
    ("find_neighbors", (1,), {"thumbnails": "small"}, "thumbnails"),
    ("compare_neighbors", ("missing.jpg",), {}, "image"),
    ("compare_neighbors", (1,), {"k": "5"}, "k"),
    ("compare_neighbors", (1,), {"metric": None}, "metric"),
]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(("method", "arguments", "how", "field"), WRONG, ids=str)
def test_a_wrong_argument_is_told_before_any_call(
    kind: str, method: str, arguments: tuple[Any, ...], how: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        CLIENTS[kind](f"127.0.0.1:{free_port()}").unasked(method, *arguments, **how)
    assert (caught.value.field, caught.value.status) == (field, "")


@pytest.mark.parametrize(
    ("method", "arguments", "how", "field"),
    [
        ("create_collection", (5,), {}, "display_name"),
        ("create_collection", ("\ud800",), {}, "display_name"),
        ("create_collection", ("photos",), {"request_id": 7}, "request_id"),
        ("collection", (5,), {}, "name"),
        ("collection_job", (5,), {}, "name"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_wrong_argument_of_a_client_is_told_before_any_call(
    kind: str, method: str, arguments: tuple[Any, ...], how: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        CLIENTS[kind](f"127.0.0.1:{free_port()}").client(method, *arguments, **how)
    assert (caught.value.field, caught.value.status) == (field, "")


def assert_rows(sheet: Image.Image, rows: list[list[int]], size: tuple[int, int] = (30, 20)) -> None:
    """Pictures of these colours stand on the sheet, row by row from the left, each at least `size` wide and high."""
    pixels = np.asarray(sheet).astype(int)
    found: list[tuple[int, int, int]] = []
    for number in sorted({number for row in rows for number in row}):
        # A JPEG changes a colour a little.
        filled = np.abs(pixels - np.array(plain(number).getpixel((0, 0)))).max(axis=2) <= 3
        found += [(top, left, number) for top, left in corners(filled, size)]
    lines: list[list[tuple[int, int]]] = []
    last = -1000
    for top, left, number in sorted(found):
        # Pictures of a row stand on one line, and may be of unequal height.
        if top > last + CAPTION_HEIGHT:
            lines.append([])
        lines[-1].append((left, number))
        last = top
    assert [[number for _, number in sorted(line)] for line in lines] == rows


def corners(filled: NDArray[np.bool_], size: tuple[int, int]) -> list[tuple[int, int]]:
    """Top and left of each filled rectangle that is at least so wide and high."""
    width, height = size
    above, beside = np.pad(filled, ((1, 0), (0, 0)))[:-1], np.pad(filled, ((0, 0), (1, 0)))[:, :-1]
    places = np.argwhere(filled & ~above & ~beside)
    return [(int(y), int(x)) for y, x in places if filled[y : y + height, x : x + width].sum() == width * height]
