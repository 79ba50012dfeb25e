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
from convscope.client.made_picture import MadePicture
from convscope.client.sheet import in_rows, sheet_of
from convscope.client.targets import ClassName
from convscope.engine.errors import ConvscopeError
from convscope.engine.imaging.contact_sheet import Tile
from convscope.engine.imaging.decode import decode

VALUES, HISTORY, WAY, ORIGINAL, PERTURBATION, CHAIN, EXAMPLES = (
    "values.npy", "history.json", "way.gif", "original.png", "perturbation.png", "chain.png", "examples.png",
)  # fmt: skip
FILES = {
    "values": VALUES, "history": HISTORY, "way": WAY, "original": ORIGINAL, "perturbation": PERTURBATION,
    "chain": CHAIN, "examples": EXAMPLES,
}  # fmt: skip
PARTS = ("images", *FILES)
"""What of a job's files can be fetched alone."""
# What a file of that ending is made of.
PART_OF_SUFFIX = {".png": "images", ".npy": "values", ".gif": "way", ".json": "history"}
# Tiles of an inversion, from shallow to deep, in a row of its sheet.
INVERSIONS_IN_A_ROW = 6


def check_synthesis_destination(path: str | Path) -> str:
    """The part of the result that goes there. Raises InvalidArgument for any other name."""
    part = PART_OF_SUFFIX.get(Path(path).suffix)
    if part is None:
        message = f"{path} must end in one of {', '.join(PART_OF_SUFFIX)}"
        raise InvalidArgument(message, field="output", reason="UNKNOWN_FORMAT")
    return part


def check_parts(parts: Iterable[str] | None) -> list[str] | None:
    """Raises InvalidArgument (field `parts`)."""
    return None if parts is None else check_names("parts", parts, PARTS, "UNKNOWN_PART")


def to_picture(data: bytes, what: str) -> PillowImage.Image:
    """RGB. Raises ServerFault, which says what it is, for bytes that are no picture."""
    try:
        return decode(data)
    except ConvscopeError as error:
        raise ServerFault(f"{what} cannot be decoded: {error.message}") from error


def to_png(picture: PillowImage.Image) -> bytes:
    """The file."""
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True, eq=False)
class Synthesis:
    """What a job made: one picture for each class, unit or layer, or a dream. The files are here; they are decoded when
    asked for."""

    job: JobInfo
    """The job, as it ended."""
    made: tuple[MadePicture, ...]
    """What each picture was made for, and how near it has come to it."""
    recipe: str = ""
    """Name of the recipe; empty for a dream and an adversarial picture, which have none."""
    layer: str = ""
    """The layer that was dreamt with; empty for all but a dream."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The files that were fetched, by their names."""

    @property
    def targets(self) -> tuple[ClassName, ...]:
        """The classes as they were asked for, index or label; empty without classes."""
        return tuple(one.target for one in self.made if one.target is not None)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of those classes, one for each picture; empty text without a class."""
        return tuple(one.label for one in self.made)

    @property
    def scores(self) -> tuple[float, ...]:
        """What was ascended, at the end, for each picture: the score before the softmax for a class."""
        return tuple(one.score for one in self.made)

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures' files."""
        return tuple(one.name for one in self.made)

    def artifacts(self, parts: Iterable[str] | None) -> Iterator[Artifact]:
        """The records of the files that these parts need; None: of all that the job has. Raises NotFound for a part
        that its kind does not have."""
        if parts is None:
            left = {one.name for one in self.job.artifacts}
            parts = ["images", *(part for part, name in FILES.items() if name in left)]
        for part in parts:
            for name in self.names if part == "images" else (FILES[part],):
                yield self.job.artifact(name)

    @cached_property
    def images(self) -> list[PillowImage.Image]:
        """RGB, one for each class, unit or layer. Raises FailedPrecondition where they were not fetched, as do the
        other files."""
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

    @cached_property
    def original(self) -> PillowImage.Image:
        """RGB: what the model saw of the photograph that was inverted, or what an attack began with. Raises NotFound
        for a job of another kind."""
        return to_picture(self._file(ORIGINAL), ORIGINAL)

    @cached_property
    def chain(self) -> PillowImage.Image:
        """RGB: the sheet of the pictures on the way, a row for each picture. Raises NotFound where the recipe keeps
        none."""
        return to_picture(self._file(CHAIN), CHAIN)

    @cached_property
    def examples(self) -> PillowImage.Image:
        """RGB: the sheet of dataset examples, a row for each class or unit: the picture that was made, then the natural
        ones. Raises NotFound where none were asked for."""
        return to_picture(self._file(EXAMPLES), EXAMPLES)

    @property
    def way(self) -> bytes:
        """An animated GIF of how the pictures came about."""
        return self._file(WAY)

    def __str__(self) -> str:
        """What was made, and how near it came: tabby 31.20 (probability 0.98), tiger cat 28.44 (probability 0.71). A
        dream's number says little: a dream with layer3."""
        return f"a dream with {self.layer}" if self.layer else ", ".join(map(str, self.made))

    def contact_sheet(self) -> PillowImage.Image:
        """All pictures in their own size on one sheet that is about square, each with what it was made for and how near
        it came. Layers that were inverted follow one another in a row, behind the photograph where it was fetched."""
        tiles = [
            Tile(picture, made.title or self.layer, made.note)
            for picture, made in zip(self.images, self.made, strict=True)
        ]
        if any(made.distance is None for made in self.made):
            return sheet_of(in_rows(tiles, ceil(sqrt(len(tiles)))))
        if ORIGINAL in self.files:
            tiles.insert(0, Tile(self.original, "original"))
        return sheet_of(in_rows(tiles, INVERSIONS_IN_A_ROW))

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
        return to_png(self.contact_sheet())

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            self.job.artifact(name)
            raise FailedPrecondition(f"{name} was not fetched; name its part in result(parts=...)", field="parts")
        return self.files[name]
