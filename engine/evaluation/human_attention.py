"""Where people looked: maps in the layout of VQA-HAT, one PNG for each question and annotator."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convscope.engine.errors import InvalidInput

_NAME = re.compile(r"(?P<question>.+?)(_(?P<annotator>[0-9]{1,9}))?\.png", re.IGNORECASE)


@dataclass(frozen=True)
class HumanAttention:
    """Of one question."""

    question: str
    """Its id: the file's name without the annotator's number."""
    files: tuple[Path, ...]
    """One for each annotator, in their order."""

    def maps(self) -> list[NDArray[np.float32]]:
        """[H, W] each, 0 to 1. Raises InvalidInput for a file that is no picture."""
        return [_read(file) for file in self.files]


def read_attention(folder: Path) -> Mapping[str, HumanAttention]:
    """All questions of a folder: `1500070_1.png` is the first annotator's map of question 1500070, `1500070.png` the
    only one's. Das et al. 2016, "Human Attention in VQA". Raises InvalidInput for a folder without any."""
    if not folder.is_dir():
        raise InvalidInput(f"there is no folder {folder}", field="folder", reason="NO_FOLDER")
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        named = _split(file.name)
        if named is not None:
            found[named[0]].append((named[1], file))
    if not found:
        raise InvalidInput(f"there is no map, a PNG, in {folder}", field="folder", reason="FOLDER_EMPTY")
    return {question: HumanAttention(question, _in_order(files)) for question, files in found.items()}


def annotator_of(file_name: str) -> tuple[str, int]:
    """The question and the annotator of a file's name; of an only one 0. Raises InvalidInput for a name that is none
    of this layout."""
    named = _split(file_name)
    if named is None:
        message = f"a map is named QUESTION_ANNOTATOR.png or QUESTION.png, not {file_name[:100]!r}"
        raise InvalidInput(message, field="file_name", reason="NAME_INVALID")
    return named


def _split(file_name: str) -> tuple[str, int] | None:
    named = _NAME.fullmatch(file_name)
    return None if named is None else (named["question"], int(named["annotator"] or 0))


def _in_order(files: Sequence[tuple[int, Path]]) -> tuple[Path, ...]:
    return tuple(file for _, file in sorted(files))


def _read(file: Path) -> NDArray[np.float32]:
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("L"), np.float32) / np.float32(255)
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise InvalidInput(f"{file} is no picture: {error}", field="folder", reason="IMAGE_UNDECODABLE") from error
