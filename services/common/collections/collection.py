"""A collection as its record tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be taken."""

    name: str
    message: str


@dataclass(frozen=True)
class StoredImage:
    """An image of a collection."""

    file_name: str
    sha256: str
    width: int
    """Of the upright picture, pixels."""
    height: int
    size: int
    """Bytes."""


@dataclass(frozen=True)
class StoredAnnotation:
    """What is known about an image."""

    id: str
    image_number: int
    target: str
    """A Target of the contract, JSON; empty: what a model itself says."""
    mask: str
    """SHA-256 of its file; empty for none."""
    attention: tuple[tuple[int, str], ...] = ()
    """Annotators in the order of their numbers, each with the SHA-256 of the map's file."""


@dataclass(frozen=True)
class IndexRecord:
    """What is known of an index, and where its files lie."""

    id: str
    model: str
    weights_digest: str
    embedding_layer: str
    embedding_length: int
    layers: tuple[str, ...]
    patches_per_channel: int
    image_count: int
    size: int
    """Bytes."""
    folder: str
    """In the artifact store. Every change of the index is in a folder of its own."""
    updated: float
    """Seconds since 1970."""
    neurons: bool = False
    """Whether the strongest images of every neuron are kept."""
    job: str = ""
    """The job that made it what it is."""
    added: int = 0
    """Images that this job ran; the others were in it before."""

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """From plain JSON, which has no tuples."""
        return cls(**{**written, "layers": tuple(written["layers"])})


@dataclass(frozen=True)
class Collection:
    """A snapshot of a record."""

    id: str
    display_name: str
    caller: str
    """Who made it."""
    created: float
    """Seconds since 1970, by the store's clock."""
    image_count: int
    size: int
    """Bytes."""
    duplicate_count: int
    broken_count: int
    broken: tuple[BrokenFile, ...]
    """The first of them."""
    indexes: tuple[IndexRecord, ...]
    """The newest first."""
    jobs: tuple[str, ...]
    """Jobs that have worked on it, those that have ended too."""
    annotation_count: int = 0
    mask_count: int = 0
    """Annotations with a mask."""
    attended_count: int = 0
    """Annotations with attention maps."""


def folder_of(id: str) -> str:
    """Where all files of a collection lie in the artifact store."""
    return f"collections/{id}"


def image_path(id: str, sha256: str) -> str:
    """Where an image's file lies."""
    return f"{folder_of(id)}/images/{sha256}"


def annotation_path(id: str, sha256: str) -> str:
    """Where a mask's or an attention map's file lies."""
    return f"{folder_of(id)}/annotations/{sha256}"
