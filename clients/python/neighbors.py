"""The images of a collection that are nearest to a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from PIL import Image as PillowImage

from convscope.client.errors import FailedPrecondition
from convscope.client.results import Prediction
from convscope.client.sheet import sheet_of, shortened
from convscope.client.synthesis import to_picture, to_png
from convscope.engine.imaging.contact_sheet import Tile

# Longer side of a thumbnail, pixels: the query is drawn no larger.
TILE = 96


@dataclass(frozen=True)
class Neighbor:
    """An image near another."""

    number: int
    """Of the image in the collection."""
    file_name: str
    """Of the image."""
    distance: float
    """By the metric; of inner_product the product itself."""
    prediction: Prediction
    """The class that the model gives it first."""
    jpeg: bytes = field(default=b"", repr=False)
    """A small picture of it, the file; empty where it was not asked for."""

    @cached_property
    def thumbnail(self) -> PillowImage.Image | None:
        """RGB: a small picture of it; None where it was not asked for."""
        return to_picture(self.jpeg, "the thumbnail") if self.jpeg else None

    def __str__(self) -> str:
        return f"{self.file_name}: {self.distance:.4g}, {self.prediction}"


@dataclass(frozen=True)
class Neighbors(Sequence[Neighbor]):
    """The images nearest to a picture, the nearest first."""

    neighbors: tuple[Neighbor, ...]
    model: str
    space: str
    """features or pixels."""
    metric: str
    """l2, cosine or inner_product."""
    index_name: str
    """Of the index that was asked."""
    image_count: int
    """Images in the index."""

    def __len__(self) -> int:
        return len(self.neighbors)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.neighbors[index]

    def sheet(self, query: PillowImage.Image | None = None) -> PillowImage.Image:
        """The neighbours in one row, each with its class, distance and file. query: the picture that was looked for,
        drawn in front of them. Raises FailedPrecondition where the thumbnails were not asked for."""
        return sheet_of([_row(self, query)])

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        return to_png(self.sheet()) if all(one.jpeg for one in self) else None


@dataclass(frozen=True, eq=False)
class NeighborComparison:
    """What is near to a picture for a network, and what is near pixel by pixel."""

    query: PillowImage.Image = field(repr=False)
    """The picture that was looked for, upright, RGB."""
    features: Neighbors
    """Its neighbours by feature vectors."""
    pixels: Neighbors
    """Its neighbours pixel by pixel."""

    def sheet(self) -> PillowImage.Image:
        """Two rows, the picture at the left of each: its neighbours by feature vectors, below them pixel by pixel."""
        return sheet_of([_row(self.features, self.query), _row(self.pixels, self.query)])

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return to_png(self.sheet())


def _row(neighbors: Neighbors, query: PillowImage.Image | None) -> list[Tile]:
    first = [] if query is None else [Tile(_small(query), f"by {neighbors.space}", neighbors.metric)]
    return [*first, *(Tile(_drawn(one), shortened(str(one.prediction)), _note(one)) for one in neighbors)]


def _small(picture: PillowImage.Image) -> PillowImage.Image:
    smaller = picture.copy()
    smaller.thumbnail((TILE, TILE), PillowImage.Resampling.LANCZOS)
    return smaller


def _note(neighbor: Neighbor) -> str:
    return f"{neighbor.distance:.4g}, {shortened(neighbor.file_name)}"


def _drawn(neighbor: Neighbor) -> PillowImage.Image:
    if neighbor.thumbnail is None:
        message = "the thumbnails were not asked for; find_neighbors(thumbnails=True) has them"
        raise FailedPrecondition(message, field="thumbnails")
    return neighbor.thumbnail
