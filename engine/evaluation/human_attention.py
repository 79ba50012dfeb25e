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

_NAME = re.compile(r"(?P<question>.+?)(_(?P<annotator>[0-9]+))?\.png", re.IGNORECASE)


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
        named = _NAME.fullmatch(file.name)
        if named:
            found[named["question"]].append((int(named["annotator"] or 0), file))
    if not found:
        raise InvalidInput(f"there is no map, a PNG, in {folder}", field="folder", reason="FOLDER_EMPTY")
    return {question: HumanAttention(question, _in_order(files)) for question, files in found.items()}


def _in_order(files: Sequence[tuple[int, Path]]) -> tuple[Path, ...]:
    return tuple(file for _, file in sorted(files))


def _read(file: Path) -> NDArray[np.float32]:
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("L"), np.float32) / np.float32(255)
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise InvalidInput(f"{file} is no picture: {error}", field="folder", reason="IMAGE_UNDECODABLE") from error
