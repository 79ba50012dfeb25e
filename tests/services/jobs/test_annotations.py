"""Annotations of a collection's images: taken, told, read, and refused where they cannot be right."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from PIL import Image

from convscope.v1.collection_service_pb2 import (
    CreateCollectionRequest,
    DeleteCollectionRequest,
    GetAnnotationRequest,
    GetCollectionRequest,
    ListAnnotationsRequest,
    NewAnnotation,
    NewAttentionMap,
    UploadAnnotationsRequest,
    UploadAnnotationsResponse,
    UploadImagesRequest,
)
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, Target, Unit
from tests.services.calls import SECONDS, refusal
from tests.services.jobs.conftest import MAX_PIXELS
from tests.services.jobs.server import Jobs
from tests.services.pictures import noise, png_that_claims, to_file

INVALID, MISSING = "INVALID_ARGUMENT", "NOT_FOUND"
WIDTH, HEIGHT = 20, 16
NOWHERE = "collections/00000000000000000000000000000000"
QUESTION = Target(answer=AnswerTarget(question="what color is the circle", answer="red"))


def grey(values: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(file, "PNG")
    return file.getvalue()


def mask(left: int = 3, *, size: tuple[int, int] = (HEIGHT, WIDTH), level: int = 255) -> bytes:
    values = np.zeros(size, np.uint8)
    values[2:6, left : left + 4] = level
    return grey(values)


def filled(jobs: Jobs, count: int = 3) -> str:
    """A collection of images; its name."""
    name = jobs.stubs.create_collection(CreateCollectionRequest(), timeout=SECONDS).collection.name
    requests = [
        UploadImagesRequest(collection=name, file_name=f"{place}.png", content=to_file(noise(WIDTH, HEIGHT, place)))
        for place in range(count)
    ]
    jobs.stubs.upload_images(iter([UploadImagesRequest(collection=name), *requests]), timeout=SECONDS)
    return str(name)


def send(jobs: Jobs, name: str, items: Sequence[Message]) -> UploadAnnotationsResponse:
    def requests() -> Iterator[UploadAnnotationsRequest]:
        yield UploadAnnotationsRequest(collection=name)
        for item in items:
            if isinstance(item, NewAnnotation):
                yield UploadAnnotationsRequest(annotation=item)
            elif isinstance(item, NewAttentionMap):
                yield UploadAnnotationsRequest(attention_map=item)

    answer: UploadAnnotationsResponse = jobs.stubs.upload_annotations(requests(), timeout=SECONDS)
    return answer


def listed(jobs: Jobs, name: str, **fields: Any) -> list[Any]:
    return list(
        jobs.stubs.list_annotations(ListAnnotationsRequest(collection=name, **fields), timeout=SECONDS).annotations
    )


def got(jobs: Jobs, name: str, id: str) -> Any:
    return jobs.stubs.get_annotation(GetAnnotationRequest(collection=name, id=id), timeout=SECONDS)


def asked(id: str, image: int | str = 0, **fields: Any) -> NewAnnotation:
    named = {"image_number": image} if isinstance(image, int) else {"file_name": image}
    return NewAnnotation(id=id, **named, **fields)


def test_annotations_keep_their_order_their_targets_and_their_files(jobs: Jobs) -> None:
    name = filled(jobs)
    word = Target(caption=CaptionTarget(text="a red circle", position=2))
    response = send(
        jobs,
        name,
        [asked("q1", 1, target=QUESTION, mask=mask()), asked("plain", "2.png"), asked("q1-word", 0, target=word)],
    )
    assert (response.annotation_count, response.broken_count) == (3, 0), response
    found = listed(jobs, name)
    assert [(one.id, one.image_number, one.masked, one.attention_map_count) for one in found] == [
        ("q1", 1, True, 0), ("plain", 2, False, 0), ("q1-word", 0, False, 0),
    ]  # fmt: skip
    assert (found[0].target, found[2].target) == (QUESTION, word)
    assert not found[1].HasField("target")
    whole = got(jobs, name, "q1")
    assert (whole.annotation, whole.mask, list(whole.attention_maps)) == (found[0], mask(), [])
    collection = jobs.stubs.get_collection(GetCollectionRequest(name=name), timeout=SECONDS).collection
    assert collection.annotation_count == 3


def test_pages_of_annotations_follow_each_other(jobs: Jobs) -> None:
    name = filled(jobs, 1)
    send(jobs, name, [asked(f"q{place}") for place in range(7)])
    token, ids = "", []
    while True:
        request = ListAnnotationsRequest(collection=name, page_size=3, page_token=token)
        page = jobs.stubs.list_annotations(request, timeout=SECONDS)
        ids.append([one.id for one in page.annotations])
        token = page.next_page_token
        if not token:
            break
    assert ids == [["q0", "q1", "q2"], ["q3", "q4", "q5"], ["q6"]]


def test_attention_maps_belong_to_the_annotation_that_their_name_begins_with(jobs: Jobs) -> None:
    name = filled(jobs, 1)
    looked = [grey(np.full((8, 9), level)) for level in (10, 20, 30, 40)]
    response = send(
        jobs,
        name,
        [
            asked("1500"),
            asked("scene_7"),
            NewAttentionMap(file_name="1500_3.png", content=looked[0]),
            NewAttentionMap(file_name="1500_1.png", content=looked[1]),
            NewAttentionMap(file_name="scene_7.png", content=looked[2]),
            NewAttentionMap(file_name="scene_7_2.PNG", content=looked[3]),
        ],
    )
    assert (response.annotation_count, response.attention_map_count, response.broken_count) == (2, 4, 0), response
    maps = [(one.annotator, one.content) for one in got(jobs, name, "1500").attention_maps]
    assert maps == [(1, looked[1]), (3, looked[0])], "in the order of the annotators"
    maps = [(one.annotator, one.content) for one in got(jobs, name, "scene_7").attention_maps]
    assert maps == [(0, looked[2]), (2, looked[3])], "a name that ends like an annotator's number"
    assert [one.attention_map_count for one in listed(jobs, name)] == [2, 2]


def test_the_same_again_is_a_duplicate_and_another_of_the_name_is_refused(jobs: Jobs) -> None:
    name = filled(jobs)
    first = [asked("q1", target=QUESTION, mask=mask()), NewAttentionMap(file_name="q1_1.png", content=mask())]
    send(jobs, name, first)
    again = send(jobs, name, first)
    assert (again.annotation_count, again.attention_map_count, again.duplicate_count) == (0, 0, 2)
    other = send(jobs, name, [asked("q1", 1), NewAttentionMap(file_name="q1_1.png", content=mask(9))])
    assert [(one.name, "another of this name" in one.message) for one in other.broken_files] == [
        ("q1", True), ("q1_1.png", True),
    ]  # fmt: skip
    assert got(jobs, name, "q1").mask == mask()
    assert got(jobs, name, "q1").attention_maps[0].content == mask()


def test_two_uploads_at_once_lose_nothing_and_double_nothing(jobs: Jobs) -> None:
    name = filled(jobs, 1)
    items = [asked(f"q{place}", mask=mask(place % 9)) for place in range(20)]
    items_and_maps = [*items, *(NewAttentionMap(file_name=f"q{n}_1.png", content=mask(n % 9)) for n in range(20))]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: send(jobs, name, items_and_maps), range(3)))
    assert [sum(getattr(one, field) for one in answers) for field in ("annotation_count", "attention_map_count")] == [
        20, 20,
    ]  # fmt: skip
    assert sum(one.duplicate_count for one in answers) == 80
    assert len({one.id for one in listed(jobs, name, page_size=100)}) == 20


WRONG: dict[str, tuple[NewAnnotation | NewAttentionMap, str]] = {
    "no id": (asked(""), "1 to 128 letters"),
    "an id with a slash": (asked("a/b"), "1 to 128 letters"),
    "an id too long": (asked("x" * 129), "1 to 128 letters"),
    "no image": (NewAnnotation(id="q"), "is of an image"),
    "an image that is not there": (asked("q", 3), "no image 3"),
    "a negative image": (asked("q", -1), "no image -1"),
    "a file that is not there": (asked("q", "nope.png"), "no image has the file name 'nope.png'"),
    "a unit": (asked("q", target=Target(unit=Unit(layer="x"))), "not a unit"),
    "a target too long": (
        asked("q", target=Target(answer=AnswerTarget(question="x" * 20_000))), "at most 16384 bytes",
    ),
    "a mask of another size": (asked("q", mask=mask(size=(10, 10))), "10 x 10, its image 20 x 16"),
    "a mask of nothing": (asked("q", mask=mask(level=100)), "nothing bright"),
    "a mask that is no picture": (asked("q", mask=b"rubbish"), "no JPEG, PNG or WebP"),
    "a truncated mask": (asked("q", mask=mask()[:40]), ""),
    "a mask that claims to be huge": (asked("q", mask=png_that_claims(4000, 4000)), "at most"),
    "a map of no annotation": (NewAttentionMap(file_name="other_1.png", content=mask()), "no annotation of this name"),
    "a map without a name": (NewAttentionMap(content=mask()), "QUESTION_ANNOTATOR.png"),
    "a map of another format's name": (NewAttentionMap(file_name="q_1.jpg", content=mask()), "QUESTION_ANNOTATOR.png"),
    "a map that is no picture": (NewAttentionMap(file_name="known_1.png", content=b"rubbish"), "no JPEG, PNG"),
    "an empty map": (NewAttentionMap(file_name="known_1.png"), "no bytes"),
    "an annotator too many": (NewAttentionMap(file_name="known_10001.png", content=mask()), "up to 10000"),
}  # fmt: skip


@pytest.mark.parametrize(("item", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_taken_is_told_and_harms_nothing_else(
    item: NewAnnotation | NewAttentionMap, words: str, jobs: Jobs
) -> None:
    assert MAX_PIXELS < 4000 * 4000
    name = filled(jobs)
    response = send(jobs, name, [asked("known"), item, asked("after", mask=mask())])
    assert (response.annotation_count, response.attention_map_count, response.broken_count) == (2, 0, 1)
    (broken,) = response.broken_files
    assert words in broken.message
    assert [(one.id, one.masked, one.attention_map_count) for one in listed(jobs, name)] == [
        ("known", False, 0), ("after", True, 0),
    ]  # fmt: skip


CALLS: dict[str, tuple[Callable[[Jobs, str], object], str, str, str]] = {
    "upload to none": (
        lambda jobs, _: jobs.stubs.upload_annotations(iter([UploadAnnotationsRequest()]), timeout=SECONDS),
        INVALID, "NAME_INVALID", "collection",
    ),
    "upload of nothing": (
        lambda jobs, _: jobs.stubs.upload_annotations(iter([]), timeout=SECONDS), INVALID, "NAME_INVALID", "collection",
    ),
    "upload to one that is gone": (
        lambda jobs, _: send(jobs, NOWHERE, []), MISSING, "UNKNOWN_COLLECTION", "collection",
    ),
    "list of one that is gone": (
        lambda jobs, _: listed(jobs, NOWHERE), MISSING, "UNKNOWN_COLLECTION", "collection",
    ),
    "a page too large": (
        lambda jobs, name: listed(jobs, name, page_size=-1), INVALID, "OUT_OF_RANGE", "page_size",
    ),
    "a foreign token": (
        lambda jobs, name: listed(jobs, name, page_token="xx"), INVALID, "PAGE_TOKEN_INVALID", "page_token",
    ),
    "get of none": (lambda jobs, name: got(jobs, name, "nope"), MISSING, "UNKNOWN_ANNOTATION", "id"),
    "get of one that is gone": (
        lambda jobs, _: got(jobs, NOWHERE, "q"), MISSING, "UNKNOWN_COLLECTION", "collection",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "code", "reason", "field"), CALLS.values(), ids=CALLS)
def test_calls_that_cannot_be_name_their_field(
    call: Callable[[Jobs, str], object], code: str, reason: str, field: str, jobs: Jobs
) -> None:
    name = filled(jobs)
    found = refusal(lambda: call(jobs, name))
    assert (found.code, found.field) == (code, field), found
    assert found.reason == reason


def test_a_deleted_collection_leaves_nothing_of_its_annotations(jobs: Jobs) -> None:
    name = filled(jobs)
    send(jobs, name, [asked("q", mask=mask()), NewAttentionMap(file_name="q_1.png", content=mask(9))])
    assert jobs.files()
    jobs.stubs.delete_collection(DeleteCollectionRequest(name=name), timeout=SECONDS)
    assert jobs.files() == []
    assert list(jobs.store.keys("convscope:collection*")) == []
