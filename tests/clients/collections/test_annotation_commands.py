"""Annotations, attention maps and made pictures on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convscope.client import Annotation, Answer, Caption, Collection, Word
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.model_service_pb2 import MODEL_TASK_CAPTION, MODEL_TASK_VQA
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, Target
from tests.clients.collections.stand_in import CollectionStandIn, plain_png
from tests.clients.terminal import Run, assert_one_sentence, output


def lines(folder: Path, *things: Any) -> str:
    """A file of such lines, each JSON or text as it is; its name."""
    text = "\n".join(thing if isinstance(thing, str) else json.dumps(thing) for thing in things)
    (folder / "some").mkdir(exist_ok=True)
    (folder / "some" / "annotations.jsonl").write_text(text, encoding="utf-8")
    return "some/annotations.jsonl"


def test_shapes_are_made_by_their_task(convscope: Run, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    options = "--task caption --count 50 --seed 7 --priority 2"
    line = output(convscope("collection", "shapes", name, *options.split()))
    assert line == "jobs/0001: 5 images added, 2 there already, 1 broken\n"
    assert output(convscope("collection", "shapes", name.removeprefix("collections/"), "--detach")) == "jobs/0002\n"
    first, second = kept.requests
    assert first.shapes == messages.ShapesSource(task=MODEL_TASK_CAPTION, count=50, seed=7)
    assert (first.collection, first.options.priority) == (name, 2)
    assert second.shapes == messages.ShapesSource(task=MODEL_TASK_VQA, count=200)


def test_every_line_of_a_file_is_an_annotation(convscope: Run, kept: CollectionStandIn, folder: Path) -> None:
    name = kept.add_collection(images=3)
    file = lines(
        folder,
        {"id": "a", "image": 0, "label": "tabby", "mask": "masks/a.png"},
        "",
        {"id": "b", "image": "image-1.png", "label": 281, "mask": None},
        {"id": "c", "image": 2, "caption": "a red square"},
        {"id": "d", "image": 2, "caption": "a red square", "word": "red"},
        {"id": "e", "image": 2, "caption": "a red square", "word": 0},
        {"id": "f", "image": 2, "question": "what is it\u2028?", "answer": "a cat"},
        {"id": "g", "image": 2, "question": "what is it?"},
        '{"id": "h", "image": 1}\r',
        "",
    )
    (folder / "some" / "masks").mkdir()
    mask = plain_png(1)
    (folder / "some" / "masks" / "a.png").write_bytes(mask)
    assert output(convscope("collection", "annotate", name, file)) == f"{name}: 8 annotations added\n"
    caption = CaptionTarget(text="a red square", beams=1)
    expected = [
        messages.NewAnnotation(id="a", image_number=0, target=Target(class_label="tabby"), mask=mask),
        messages.NewAnnotation(id="b", file_name="image-1.png", target=Target(class_index=281)),
        messages.NewAnnotation(id="c", image_number=2, target=Target(caption=caption)),
        messages.NewAnnotation(
            id="d", image_number=2, target=Target(caption=CaptionTarget(text="a red square", beams=1, word="red"))
        ),
        messages.NewAnnotation(
            id="e", image_number=2, target=Target(caption=CaptionTarget(text="a red square", beams=1, position=0))
        ),
        messages.NewAnnotation(
            id="f", image_number=2, target=Target(answer=AnswerTarget(question="what is it\u2028?", answer="a cat"))
        ),
        messages.NewAnnotation(id="g", image_number=2, target=Target(answer=AnswerTarget(question="what is it?"))),
        messages.NewAnnotation(id="h", image_number=1),
    ]
    assert [one.annotation for one in kept.annotation_uploads[0][1:]] == expected
    assert f"{name}: photos, 3 images, 8 annotations" in output(convscope("collection", "show", name))
    again = convscope("collection", "annotate", name, lines(folder, {"id": "h", "image": 1}, {"id": "i", "image": 7}))
    assert output(again) == f"{name}: nothing added, 1 there already, 1 broken\n"
    assert again.stderr == "i: there is no image 7\n"


WRONG_LINES: list[tuple[Any, str]] = [
    ("no JSON", "line 2: no JSON: Expecting value: line 1 column 1 (char 0)"),
    (["q", 0], "line 2: no JSON object but ['q', 0]"),
    ({"image": 0}, "line 2, id: id is missing"),
    ({"id": "q"}, "line 2, image: image is missing"),
    ({"id": 7, "image": 0}, "line 2, id: id must be text, not 7"),
    ({"id": "q", "image": 1.5}, "line 2, image: image must be a number or the name of a file, not 1.5"),
    ({"id": "q", "image": True}, "line 2, image: image must be a number or the name of a file, not True"),
    ({"id": "q", "image": 0, "label": ["tabby"]}, "line 2, label: label must be a whole number or a label"),
    ({"id": "q", "image": 0, "colour": "red"}, "line 2, colour: nothing is called so; known: id, image, label"),
    ({"id": "q", "image": 0, "label": 1, "caption": "a"}, "line 2, caption: goes without label"),
    ({"id": "q", "image": 0, "caption": "a", "question": "b"}, "line 2, question: goes without caption"),
    ({"id": "q", "image": 0, "word": "a"}, "line 2, word: goes with a caption"),
    ({"id": "q", "image": 0, "label": 1, "answer": "a"}, "line 2, answer: goes with a question"),
    ({"id": "q", "image": 0, "caption": " "}, "line 2, caption: a sentence has at least one word"),
    ({"id": "q", "image": 0, "caption": "a b", "word": 0.5}, "line 2, word: word must be a word, or its place"),
    ({"id": "q", "image": 0, "question": 5}, "line 2, question: question must be text, not 5"),
    ({"id": "q", "image": 0, "question": "a", "answer": 5}, "line 2, answer: answer must be text, not 5"),
    ({"id": "q", "image": 0, "mask": 5}, "line 2, mask: mask must be text, not 5"),
    ({"id": "q", "image": 0, "mask": "no.png"}, "line 2, mask: there is no file some/no.png"),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG_LINES, ids=lambda value: str(value)[:40])
def test_a_wrong_line_is_named_before_anything_is_sent(
    convscope: Run, kept: CollectionStandIn, folder: Path, wrong: Any, words: str
) -> None:
    name = kept.add_collection(images=1)
    file = lines(folder, {"id": "right", "image": 0}, wrong)
    assert assert_one_sentence(convscope("collection", "annotate", name, file)).startswith(words)
    assert kept.annotation_uploads == []


def test_a_file_that_cannot_be_read_is_told(convscope: Run, kept: CollectionStandIn, folder: Path) -> None:
    name = kept.add_collection(images=1)
    words = assert_one_sentence(convscope("collection", "annotate", name, "missing.jsonl"))
    assert words == "file: missing.jsonl cannot be read: No such file or directory"
    (folder / "a.png").write_bytes(plain_png(0))
    assert assert_one_sentence(convscope("collection", "annotate", name, "a.png")).startswith("file: a.png cannot be")


def test_attention_maps_are_written_as_they_came(
    convscope: Run, kept: CollectionStandIn, photos: Collection, folder: Path
) -> None:
    photos.annotate(
        [Annotation("q", 0, Answer("what?")), Annotation("r", 1, Caption("a b")), Annotation("s", 1, Word(0))]
    )
    assert output(convscope("collection", "attention", photos.name)) == f"{photos.name}: 0 attention maps\n"
    assert list(folder.iterdir()) == []
    maps = {"q_2.png": plain_png(0), "q_7.png": plain_png(1), "s_1.png": plain_png(2)}
    photos.upload_attention(maps)
    line = output(convscope("collection", "attention", photos.name))
    assert line == f"{photos.name}: 3 attention maps -> holiday_photos.attention\n"
    output(convscope("collection", "attention", photos.name, "-o", "deep/maps"))
    for place in ("holiday_photos.attention", "deep/maps"):
        assert {path.name: path.read_bytes() for path in (folder / place).iterdir()} == maps
    Image.new("L", (2, 2)).save(folder / "file.png")
    words = assert_one_sentence(convscope("collection", "attention", photos.name, "-o", "file.png"))
    assert words == "output: file.png is no folder"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("shapes", "0001", "--task", "segment"), "task must be one of classify, caption, vqa, not 'segment'"),
        (("shapes", "0001", "--count", "99999999999"), "count 99999999999 is out of range"),
        (("shapes", "nobody"), "there is no collections/nobody"),
        (("attention", "nobody"), "there is no collections/nobody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.usefixtures("photos")
def test_an_error_is_one_sentence(
    convscope: Run, kept: CollectionStandIn, arguments: tuple[str, ...], words: str
) -> None:
    assert words in assert_one_sentence(convscope("collection", *arguments))
    assert kept.records == {}, "nothing was begun"
