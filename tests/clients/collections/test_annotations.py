"""What is asked of images, and where the answer is to be seen: sent, listed, read."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.client import (
    Annotated,
    Annotation,
    AnnotationInfo,
    Answer,
    BrokenFile,
    Caption,
    Classes,
    Collection,
    InvalidArgument,
    NotFound,
    Preprocessed,
    ServerFault,
    Unavailable,
    Unit,
    Word,
    channel,
    sending,
)
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, ClassReference, ClassSum, Target
from tests.clients.collections.calls import Calls, noise, of_type
from tests.clients.collections.stand_in import CollectionServer, CollectionStandIn, plain, plain_png
from tests.clients.job_stand_in import png
from tests.processes import wait_until

UPPER_LEFT = np.zeros((30, 40), bool)
UPPER_LEFT[:10, :20] = True
# What a caller says, what goes out, and what is read again.
TARGETS: list[tuple[Any, Target, Any]] = [
    (281, Target(class_index=281), 281),
    (0, Target(class_index=0), 0),
    ("tabby", Target(class_label="tabby"), "tabby"),
    (
        Classes(["tabby", 282], "tiger", "probability"),
        Target(
            classes=ClassSum(
                plus=[ClassReference(label="tabby"), ClassReference(index=282)], minus=[ClassReference(label="tiger")]
            ),
            output=Target.OUTPUT_PROBABILITY,
        ),
        Classes(("tabby", 282), ("tiger",), "probability"),
    ),
    (Classes(output="score"), Target(output=Target.OUTPUT_SCORE), Classes(output="score")),
    (Caption("a red square"), Target(caption=CaptionTarget(text="a red square", beams=1)), Caption("a red square")),
    (Caption(beams=3), Target(caption=CaptionTarget(beams=3)), Caption(beams=3)),
    (
        Word("red", "a red square"),
        Target(caption=CaptionTarget(text="a red square", beams=1, word="red")),
        Word("red", "a red square"),
    ),
    (Word(0), Target(caption=CaptionTarget(beams=1, position=0)), Word(0)),
    (
        Answer("what is it?", "a cat", "log_probability"),
        Target(answer=AnswerTarget(question="what is it?", answer="a cat"), output=Target.OUTPUT_LOG_PROBABILITY),
        Answer("what is it?", "a cat", "log_probability"),
    ),
    (Answer("what is it?"), Target(answer=AnswerTarget(question="what is it?")), Answer("what is it?")),
]


def sent(kept: CollectionStandIn) -> list[messages.NewAnnotation]:
    """The annotations of the last upload, which begins with the collection's name alone."""
    first, *others = kept.annotation_uploads[-1]
    assert (first.collection.startswith("collections/"), first.WhichOneof("kind")) == (True, None)
    assert {one.collection for one in others} <= {""}
    return [one.annotation for one in others]


@pytest.mark.parametrize(("target", "message", "again"), TARGETS, ids=lambda value: repr(value)[:40])
def test_every_target_is_sent_and_read_again(
    calls: Calls, kept: CollectionStandIn, target: Any, message: Target, again: Any
) -> None:
    name = kept.add_collection(images=2)
    found = calls(name, "annotate", Annotation("q-1.a_B", np.int64(1), target))  # type: ignore[arg-type]
    assert found == Annotated(annotations=1, attention_maps=0, duplicates=0, broken=(), broken_count=0)
    assert sent(kept) == [messages.NewAnnotation(id="q-1.a_B", image_number=1, target=message)]
    assert calls(name, "annotations") == [AnnotationInfo("q-1.a_B", 1, again, masked=False, attention_map_count=0)]


def test_without_a_target_it_is_what_a_model_itself_says(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=2)
    calls(name, "annotate", [Annotation("0", 0), Annotation("1", "image-1.png", None)])
    assert sent(kept) == [
        messages.NewAnnotation(id="0", image_number=0),
        messages.NewAnnotation(id="1", file_name="image-1.png"),
    ]
    assert [(one.image_number, one.target) for one in calls(name, "annotations")] == [(0, None), (1, None)]
    assert calls(name, "refresh").annotation_count == 2
    assert str(calls(name, "refresh")) == f"{name}: photos, 2 images, 2 annotations"


def test_a_mask_goes_as_a_grey_png_and_a_file_as_it_is(calls: Calls, kept: CollectionStandIn, tmp_path: Path) -> None:
    name = kept.add_collection(images=1)
    levels = np.where(UPPER_LEFT, 255, 0).astype(np.uint8)
    file = png(Image.fromarray(levels).convert("RGB"))
    (tmp_path / "mask.png").write_bytes(file)
    masks: list[Any] = [
        UPPER_LEFT, levels, UPPER_LEFT.astype(np.float64), Image.fromarray(UPPER_LEFT), np.stack([levels] * 3, axis=-1),
        tmp_path / "mask.png", str(tmp_path / "mask.png"), file,
    ]  # fmt: skip
    calls(name, "annotate", [Annotation(str(number), 0, mask=mask) for number, mask in enumerate(masks)])
    *made, path, text, encoded = [one.mask for one in sent(kept)]
    assert path == text == encoded == file
    for content in made:
        with Image.open(BytesIO(content)) as picture:
            assert (picture.format, picture.mode) == ("PNG", "L")
            np.testing.assert_array_equal(np.asarray(picture), levels)
    for number in range(len(masks)):
        files = calls(name, "annotation", str(number))
        assert (files.info.masked, files.mask.dtype, files.mask_file) == (True, np.bool_, sent(kept)[number].mask)
        np.testing.assert_array_equal(files.mask, UPPER_LEFT)
        assert files.attention_maps == {}
        assert len(repr(files)) < 300


def test_bright_is_over_half_of_white(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=1)
    calls(name, "annotate", Annotation("q", 0, mask=np.array([[0, 127, 128, 255]], np.uint8)))
    assert calls(name, "annotation", "q").mask.tolist() == [[False, False, True, True]]
    calls(name, "annotate", Annotation("none", 0))
    assert calls(name, "annotation", "none").mask is None


def test_what_is_there_already_and_what_cannot_be_taken_is_told(calls: Calls, kept: CollectionStandIn) -> None:
    name = kept.add_collection(images=2)
    first = Annotation("q", 0, "tabby", plain(1))
    assert str(calls(name, "annotate", first)) == "1 annotation added"
    found = calls(name, "annotate", [first, Annotation("q", 1), Annotation("no id!", 0), Annotation("far", 9)])
    assert (found.annotations, found.duplicates, found.broken_count) == (0, 1, 3)
    assert found.broken == (
        BrokenFile("q", "the id is taken"),
        BrokenFile("no id!", "an id is 1 to 128 letters, digits, dots, hyphens and underscores"),
        BrokenFile("far", "there is no image 9"),
    )
    assert str(found) == "nothing added, 1 there already, 3 broken"


def test_progress_is_told_for_every_annotation_that_has_gone_out(calls: Calls, kept: CollectionStandIn) -> None:
    name, told = kept.add_collection(images=3), list[tuple[int, int]]()
    annotations = [Annotation(str(number), number) for number in range(3)]
    calls(name, "annotate", annotations, on_progress=lambda *numbers: told.append(numbers))
    calls(name, "annotate", iter(annotations[:2]), on_progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 3), (2, 3), (3, 3), (1, 0), (2, 0)]
    assert str(calls(name, "annotate", [])) == "nothing added"


WRONG: dict[str, tuple[Any, str]] = {
    "no annotation": (("q", 0), ""),
    "an id that is none": (Annotation(7, 0), ".id"),  # type: ignore[arg-type]
    "no image": (Annotation("q", None), ".image"),  # type: ignore[arg-type]
    "a path": (Annotation("q", Path("a.jpg")), ".image"),  # type: ignore[arg-type]
    "a truth value": (Annotation("q", True), ".image"),
    "a number that is too large": (Annotation("q", 2**63), ".image"),
    "a unit": (Annotation("q", 0, Unit("layer3", 7)), ".target"),  # type: ignore[arg-type]
    "no target": (Annotation("q", 0, 1.5), ".target"),  # type: ignore[arg-type]
    "an empty caption": (Annotation("q", 0, Caption(" ")), ".target.caption.text"),
    "an empty question": (Annotation("q", 0, Answer("")), ".target.answer.question"),
    "an unknown output": (Annotation("q", 0, Classes("tabby", output="size")), ".target.output"),
    "a mask that is not there": (Annotation("q", 0, mask="missing.png"), ".mask"),
    "a mask for a model": (Annotation("q", 0, mask=Preprocessed(np.zeros((3, 8, 8)))), ".mask"),
    "a mask of integers": (Annotation("q", 0, mask=np.zeros((8, 8), np.int64)), ".mask"),  # type: ignore[arg-type]
    "a mask of large numbers": (Annotation("q", 0, mask=np.full((8, 8), 1.5)), ".mask"),
    "a mask of no numbers": (Annotation("q", 0, mask=np.full((8, 8), np.nan)), ".mask"),
    "a mask without pixels": (Annotation("q", 0, mask=np.zeros((0, 8), bool)), ".mask"),
    "a mask of four dimensions": (Annotation("q", 0, mask=np.zeros((1, 8, 8, 3), np.uint8)), ".mask"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_annotation_is_named_before_anything_is_sent(calls: Calls, kept: CollectionStandIn, case: str) -> None:
    wrong, field = WRONG[case]
    name = kept.add_collection(images=1)
    for annotations in ([Annotation("right", 0), wrong], (Annotation("right", 0), wrong)):
        with pytest.raises(InvalidArgument) as caught:
            calls(name, "annotate", annotations)
        assert (caught.value.field, caught.value.status) == (f"annotations[1]{field}", "")
    assert kept.annotation_uploads == []


def test_of_a_generator_what_came_before_the_wrong_one_stays(calls: Calls, kept: CollectionStandIn) -> None:
    def annotations() -> Iterator[Annotation]:
        yield Annotation("a", 0)
        yield Annotation("b", 0, mask="missing.png")

    name = kept.add_collection(images=1)
    with pytest.raises(InvalidArgument, match=r"the picture missing\.png cannot be read") as caught:
        calls(name, "annotate", annotations())
    assert caught.value.field == "annotations[1].mask"
    assert list(kept.kept[name].annotations) == ["a"]


def test_a_mask_that_is_too_large_to_be_sent_harms_no_other(
    calls: Calls, kept: CollectionStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LARGEST", 100_000)
    name = kept.add_collection(images=1)
    found = calls(name, "annotate", [Annotation("large", 0, mask=noise(0)), Annotation("small", 0, mask=noise(1, 9))])
    assert (found.annotations, found.broken_count) == (1, 1)
    assert found.broken == (BrokenFile("large", "the annotation is larger than the 64 MiB that can be sent"),)


def test_annotations_of_what_is_not_there_are_told(calls: Calls, kept: CollectionStandIn) -> None:
    for arguments in (("annotate", []), ("annotate", [Annotation("q", 0)]), ("annotation", "q")):
        with pytest.raises(NotFound) as caught:
            calls.unasked(*arguments)
        assert (caught.value.field, caught.value.reason) == ("collection", "UNKNOWN_COLLECTION")
    with pytest.raises(NotFound, match="there is no annotation q") as caught:
        calls(kept.add_collection(), "annotation", "q")
    assert (caught.value.field, caught.value.reason) == ("id", "UNKNOWN_ANNOTATION")


def test_an_upload_that_is_cut_says_how_far_it_came(
    calls: Calls, server: CollectionServer, kept: CollectionStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A call that is cut is tried again by gRPC while it has all of it, which takes seconds.
    monkeypatch.setattr(channel, "OPTIONS", (*channel.OPTIONS, ("grpc.enable_retries", 0)))
    name = kept.add_collection(images=1)

    def annotations() -> Iterator[Annotation]:
        yield Annotation("a", 0)
        wait_until(lambda: kept.kept[name].annotations, "the server has taken the first")
        server._server.stop(grace=None)
        yield Annotation("b", 0)

    words = r"the upload broke off after \d annotations?: .*what was taken stays"
    with pytest.raises(Unavailable, match=words) as caught:
        calls(name, "annotate", annotations())
    assert caught.value.reason == "UPLOAD_BROKEN_OFF"
    assert "a" in kept.kept[name].annotations


def test_annotations_come_in_their_order_a_page_when_it_is_needed(
    calls: Calls, photos: Collection, kept: CollectionStandIn
) -> None:
    photos.annotate(Annotation(f"q{number}", number % 3, Answer("what?", str(number))) for number in range(5))
    found = calls(photos.name, "annotations", page_size=2)
    assert [(one.id, one.image_number) for one in found] == [(f"q{number}", number % 3) for number in range(5)]
    requests = of_type(kept, messages.ListAnnotationsRequest)
    assert [(one.page_size, one.page_token) for one in requests] == [(2, ""), (2, "2"), (2, "4")]
    some = photos.annotations(page_size=2)
    assert [next(some).id for _ in range(3)] == ["q0", "q1", "q2"]
    assert len(of_type(kept, messages.ListAnnotationsRequest)) == 5


def test_what_only_newer_servers_know_of_a_target_does_no_harm(photos: Collection, kept: CollectionStandIn) -> None:
    photos.annotate(Annotation("q", 0))
    record = kept.kept[photos.name].annotations["q"].record
    # A kind, field 15, and an output that are not in this contract.
    record.target.CopyFrom(Target.FromString(b"\x28\x63\x7a\x00"))
    assert next(photos.annotations()).target is None


def test_a_mask_that_is_none_is_a_fault_of_the_server(photos: Collection, kept: CollectionStandIn) -> None:
    photos.annotate(Annotation("q", 0, mask=plain_png(1)))
    kept.kept[photos.name].annotations["q"].mask = b"damaged"
    with pytest.raises(ServerFault, match="the mask of q cannot be decoded"):
        _ = photos.annotation("q").mask
