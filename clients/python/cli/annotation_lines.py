"""Annotations in a file, one JSON object a line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.client.annotations import Annotation, Asked
from convscope.client.arguments import check_integer, check_text
from convscope.client.errors import InvalidArgument
from convscope.client.targets import Answer, Caption, Word, to_sentence

KINDS = {"label": "", "caption": "word", "question": "answer"}
"""What can be asked, one of these a line, and what goes with it."""
FIELDS = ("id", "image", *KINDS, *filter(None, KINDS.values()), "mask")


def read_annotations(path: Path) -> list[Annotation]:
    """{"id": "7", "image": "a.jpg", "question": "what is it?", "answer": "a cat", "mask": "masks/7.png"}: the mask's
    path is relative to the file. Empty lines are passed over. Raises InvalidArgument, which names line and field."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InvalidArgument(message, field="file", reason="FILE_UNREADABLE") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found += [_annotation(line, path.parent)] if line.strip() else []
        except InvalidArgument as error:
            error.field = f"line {number}, {error.field}" if error.field else f"line {number}"
            raise
    return found


def _annotation(line: str, folder: Path) -> Annotation:
    fields = _fields(line)
    for name in ("id", "image"):
        if name not in fields:
            raise _wrong(name, f"{name} is missing")
    return Annotation(
        check_text("id", fields["id"], "OUT_OF_RANGE"),
        _text_or_number("image", fields["image"], "a number or the name of a file"),
        _target(fields),
        None if "mask" not in fields else _mask(fields["mask"], folder),
    )


def _fields(line: str) -> dict[str, Any]:
    """Those that are not null."""
    try:
        found = json.loads(line)
    except ValueError as error:
        raise _wrong("", f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise _wrong("", f"no JSON object but {found!r}")
    for name in found:
        if name not in FIELDS:
            raise _wrong(name, f"nothing is called so; known: {', '.join(FIELDS)}")
    return {name: value for name, value in found.items() if value is not None}


def _target(fields: Mapping[str, Any]) -> Asked:
    given = [kind for kind in KINDS if kind in fields]
    if len(given) > 1:
        raise _wrong(given[1], f"goes without {given[0]}; one thing is asked at a time")
    for kind, part in KINDS.items():
        if part in fields and kind not in given:
            raise _wrong(part, f"goes with a {kind}")
    match given:
        case ["label"]:
            return _text_or_number("label", fields["label"], "a whole number or a label")
        case ["caption"]:
            caption = to_sentence("caption", fields["caption"])
            if "word" not in fields:
                return Caption(caption)
            return Word(_text_or_number("word", fields["word"], "a word, or its place"), caption)
        case ["question"]:
            answer = check_text("answer", fields["answer"], "UNKNOWN_CLASS") if "answer" in fields else None
            return Answer(to_sentence("question", fields["question"]), answer)
        case _:
            return None


def _mask(name: Any, folder: Path) -> Path:
    path = folder / check_text("mask", name, "OUT_OF_RANGE")
    if not path.is_file():
        raise _wrong("mask", f"there is no file {path}")
    return path


def _text_or_number(name: str, value: Any, wanted: str) -> str | int:
    if isinstance(value, str):
        return check_text(name, value, "OUT_OF_RANGE")
    return check_integer(name, value, wanted, bits=64)


def _wrong(name: str, why: str) -> InvalidArgument:
    return InvalidArgument(why, field=name, reason="OUT_OF_RANGE")
