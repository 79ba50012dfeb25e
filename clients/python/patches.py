"""The patches of a collection's images to which a channel answers most."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, sqrt

from PIL import Image as PillowImage

from convscope.client.errors import FailedPrecondition
from convscope.client.results import Region
from convscope.client.sheet import in_rows, sheet_of, shortened
from convscope.client.synthesis import to_picture, to_png
from convscope.engine.imaging.contact_sheet import Tile
from convscope.engine.imaging.tiles import enlargement

# About how many pixels the longer side of a small patch has on a sheet: of a shallow layer it is a few itself.
TILE = 128
# The most that a patch has there.
LARGEST = 224


@dataclass(frozen=True)
class Patch:
    """A patch of an image to which a channel answers."""

    number: int
    """Of the image in the collection."""
    file_name: str
    """Of the image."""
    activation: float
    """What the channel answers there."""
    place: tuple[int, int]
    """(row, column) in the layer's grid, from 0."""
    region: Region
    """All that the place sees: (left, top, right, bottom) in pixels of the upright original."""
    input_region: Region
    """The same in pixels of the model's input."""
    png: bytes = field(default=b"", repr=False)
    """That part of the picture as the model sees it, the file; empty where it was not asked for."""

    @cached_property
    def crop(self) -> PillowImage.Image | None:
        """RGB: that part of the picture as the model sees it; None where it was not asked for."""
        return to_picture(self.png, "the patch") if self.png else None

    def __str__(self) -> str:
        row, column = self.place
        return f"{self.file_name} at {row},{column}: {self.activation:.4g}"


@dataclass(frozen=True)
class Patches(Sequence[Patch]):
    """The patches to which a channel answers most, the strongest first."""

    patches: tuple[Patch, ...]
    model: str
    layer: str
    channel: int
    exact: bool
    """Whether regions are exact; else an operation on the way is not known, and the whole picture was taken for what a
    place sees."""
    index_name: str
    """Of the index that was asked."""
    image_count: int
    """Images in the index."""

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.patches[index]

    def __str__(self) -> str:
        among = f"{len(self)} of {self.image_count} images"
        return f"{self.layer} channel {self.channel} of {self.model}: {among}"

    def grid(self) -> PillowImage.Image:
        """All patches on one sheet, row by row, each with the activation and its file. Raises FailedPrecondition where
        the crops were not asked for."""
        tiles = [Tile(_drawn(one), f"{one.activation:.4g}", shortened(one.file_name)) for one in self]
        return sheet_of(in_rows(tiles, ceil(sqrt(len(tiles))) or 1), largest=LARGEST)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        return to_png(self.grid()) if all(one.png for one in self) else None


def _drawn(patch: Patch) -> PillowImage.Image:
    if patch.crop is None:
        raise FailedPrecondition("the crops were not asked for; find_patches(crops=True) has them", field="crops")
    scale = enlargement(patch.crop.height, patch.crop.width, TILE)
    size = (patch.crop.width * scale, patch.crop.height * scale)
    return patch.crop.resize(size, PillowImage.Resampling.NEAREST)
