"""What a job made: the pictures, how they look in numbers, and how they came about."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.arguments import check_names
from convscope.client.errors import FailedPrecondition, InvalidArgument, ServerFault
from convscope.client.job_info import Artifact, JobInfo
from convscope.client.targets import ClassName
from convscope.engine.errors import ConvscopeError
from convscope.engine.imaging.contact_sheet import Tile, contact_sheet
from convscope.engine.imaging.decode import decode

VALUES, HISTORY, WAY = "values.npy", "history.json", "way.gif"
FILES = {"values": VALUES, "history": HISTORY, "way": WAY}
PARTS = ("images", *FILES)
"""What of a job's files can be fetched alone."""
# What a file of that ending is made of.
PART_OF_SUFFIX = {".png": "images", ".npy": "values", ".gif": "way", ".json": "history"}
# A tile that is narrower has no room for its label.
NARROWEST = 160


def check_synthesis_destination(path: str | Path) -> str:
    """The part of the result that goes there. Raises InvalidArgument for any other name."""
    part = PART_OF_SUFFIX.get(Path(path).suffix)
    if part is None:
        message = f"{path} must end in one of {', '.join(PART_OF_SUFFIX)}"
        raise InvalidArgument(message, field="output", reason="UNKNOWN_FORMAT")
    return part


def check_parts(parts: Iterable[str]) -> list[str]:
    """Raises InvalidArgument (field `parts`)."""
    return check_names("parts", parts, PARTS, "UNKNOWN_PART")


def to_picture(data: bytes, what: str) -> PillowImage.Image:
    """RGB. Raises ServerFault, which says what it is, for bytes that are no picture."""
    try:
        return decode(data)
    except ConvscopeError as error:
        raise ServerFault(f"{what} cannot be decoded: {error.message}") from error


@dataclass(frozen=True, eq=False)
class Synthesis:
    """What a job made: one picture for each class, or a dream. The files are here; they are decoded when asked for."""

    job: JobInfo
    """The job, as it ended."""
    targets: tuple[ClassName, ...]
    """The classes as they were asked for, index or label; empty for a dream."""
    labels: tuple[str, ...]
    """Of those classes; empty text for a dream."""
    scores: tuple[float, ...]
    """What was ascended, at the end, for each picture: the score before the softmax for a class."""
    layer: str = ""
    """The layer that was dreamt with; empty for classes."""
    names: tuple[str, ...] = field(default=(), repr=False)
    """The pictures' files, in the order of `targets`."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The files that were fetched, by their names."""

    def artifacts(self, parts: Iterable[str]) -> Iterator[Artifact]:
        """The records of the files that these parts need."""
        for part in parts:
            for name in self.names if part == "images" else (FILES[part],):
                yield self.job.artifact(name)

    @cached_property
    def images(self) -> list[PillowImage.Image]:
        """RGB, one for each class. Raises FailedPrecondition where they were not fetched, as do the other files."""
        return [to_picture(self._file(name), name) for name in self.names]

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """float32 [N, height, width, 3], 0 to 1: the pictures before they were rounded to 8 bits."""
        try:
            values: NDArray[np.float32] = np.load(BytesIO(self._file(VALUES)), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ServerFault(f"{VALUES} cannot be read: {error}") from error
        return values

    @cached_property
    def history(self) -> dict[str, Any]:
        """How it went, step by step."""
        try:
            history = json.loads(self._file(HISTORY))
        except ValueError as error:
            raise ServerFault(f"{HISTORY} cannot be read: {error}") from error
        if not isinstance(history, dict):
            raise ServerFault(f"{HISTORY} holds no object")
        return history

    @property
    def way(self) -> bytes:
        """An animated GIF of how the pictures came about."""
        return self._file(WAY)

    def __str__(self) -> str:
        """What was made, with the scores: tabby 31.20, tiger cat 28.44. A dream's says little: a dream with layer3."""
        if self.layer:
            return f"a dream with {self.layer}"
        return ", ".join(f"{label} {score:.2f}" for label, score in zip(self.labels, self.scores, strict=True))

    def contact_sheet(self) -> PillowImage.Image:
        """All pictures in their own size on one sheet that is about square, each with its label and score."""
        tiles = [
            Tile(picture, label or self.layer, f"score {score:.2f}")
            for picture, label, score in zip(self.images, self.labels, self.scores, strict=True)
        ]
        columns = ceil(sqrt(len(tiles)))
        cell = (max(NARROWEST, *(one.width for one in self.images)), max(one.height for one in self.images))
        rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
        return contact_sheet(rows, cell=cell)

    def save(self, path: str | Path) -> None:
        """Write the picture, or the contact sheet of several (.png), the values (.npy), the way (.gif) or the history
        (.json). Raises InvalidArgument for any other name."""
        part = check_synthesis_destination(path)
        if part == "images" and len(self.names) != 1:
            self.contact_sheet().save(path)
        else:
            Path(path).write_bytes(self._file(self.names[0] if part == "images" else FILES[part]))

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        if not self.names or not self.files.keys() >= set(self.names):
            return None
        if len(self.names) == 1:
            return self._file(self.names[0])
        file = BytesIO()
        self.contact_sheet().save(file, "PNG")
        return file.getvalue()

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise FailedPrecondition(f"{name} was not fetched; name its part in result(parts=...)", field="parts")
        return self.files[name]
