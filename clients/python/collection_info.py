"""What is known of a collection, its images and what is kept about them."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be taken into a collection."""

    name: str
    """As it came."""
    message: str
    """Why."""

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(frozen=True)
class CollectionIndex:
    """What one pass through a model found out about a collection."""

    name: str
    """Within the collection; the same for the same model, weights and settings."""
    model: str
    weights_digest: str
    """SHA-256 of the weights, as in Model."""
    embedding_layer: str
    """The layer of the feature vectors; empty: what the classifier is given."""
    embedding_length: int
    """Numbers in a feature vector."""
    layers: tuple[str, ...]
    """Those whose strongest activations are kept."""
    patches_per_channel: int
    """How many are kept for each channel."""
    image_count: int
    """Images in it: those with a number below this."""
    size: int
    """Bytes."""
    updated: datetime | None
    """When it was made or last added to, in UTC."""
    neurons: bool = False
    """Whether the strongest images of each neuron are kept too."""
    indexed_count: int | None = field(default=None, compare=False)
    """Images that the job ran whose result this is; the others were in it before. None elsewhere."""

    def __str__(self) -> str:
        """efficientnet_lite0: 120 images, 1280 numbers each, patches of head; 20 images run now."""
        patches = f", patches of {', '.join(self.layers)}" if self.layers else ""
        now = "" if self.indexed_count is None else f"; {in_number(self.indexed_count, 'image')} run now"
        images = in_number(self.image_count, "image")
        return f"{self.model}: {images}, {self.embedding_length} numbers each{patches}{now}"


@dataclass(frozen=True)
class CollectionImage:
    """An image of a collection."""

    number: int
    """From 0, in the order in which they came."""
    file_name: str
    """The name of its file, as it first came."""
    sha256: str
    """Of the file, hex."""
    width: int
    """Of the upright picture, pixels."""
    height: int
    """Of the upright picture, pixels."""
    size: int
    """Of the file, bytes."""


@dataclass(frozen=True)
class CollectionInfo:
    """How a collection stood when the server was asked."""

    name: str
    """collections/{collection}."""
    display_name: str
    """What people call it."""
    created: datetime | None
    """When it was made, in UTC."""
    image_count: int
    """Images; identical ones count once. They are numbered from 0."""
    size: int
    """Length of all of them, bytes."""
    duplicate_count: int
    """Files that came again."""
    broken_count: int
    """Files that were no pictures."""
    broken: tuple[BrokenFile, ...]
    """The first 100 of these."""
    indexes: tuple[CollectionIndex, ...]
    """What is kept about it, the newest first."""
    jobs: tuple[str, ...]
    """Names of the jobs that work on it."""
    annotation_count: int = 0
    """Annotations of its images."""

    def __str__(self) -> str:
        """collections/1f0c: holiday photos, 120 images, 30 annotations."""
        annotations = f", {in_number(self.annotation_count, 'annotation')}" if self.annotation_count else ""
        return f"{self.name}: {self.display_name}, {in_number(self.image_count, 'image')}{annotations}"


def in_number(count: int, thing: str) -> str:
    """1 image, 2 images."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


class Described:
    """What both clients' collections tell without asking: how it stood when the server was last asked."""

    def __init__(self, info: CollectionInfo) -> None:
        self.info = info
        """All that is known of it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __str__(self) -> str:
        return str(self.info)

    @property
    def name(self) -> str:
        """collections/{collection}."""
        return self.info.name

    @property
    def display_name(self) -> str:
        """What people call it."""
        return self.info.display_name

    @property
    def created(self) -> datetime | None:
        """When it was made, in UTC."""
        return self.info.created

    @property
    def image_count(self) -> int:
        """Images; identical ones count once. They are numbered from 0."""
        return self.info.image_count

    @property
    def size(self) -> int:
        """Length of all images, bytes."""
        return self.info.size

    @property
    def duplicate_count(self) -> int:
        """Files that came again."""
        return self.info.duplicate_count

    @property
    def broken_count(self) -> int:
        """Files that were no pictures."""
        return self.info.broken_count

    @property
    def broken(self) -> tuple[BrokenFile, ...]:
        """The first 100 of these."""
        return self.info.broken

    @property
    def indexes(self) -> tuple[CollectionIndex, ...]:
        """What is kept about it, the newest first."""
        return self.info.indexes

    @property
    def jobs(self) -> tuple[str, ...]:
        """Names of the jobs that work on it."""
        return self.info.jobs

    @property
    def annotation_count(self) -> int:
        """Annotations of its images."""
        return self.info.annotation_count
