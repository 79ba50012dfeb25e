"""What is known about images taken into a collection, whoever brings it."""

import hashlib
import re
from dataclasses import dataclass, field

import numpy as np
from google.protobuf.json_format import MessageToJson
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.errors import ConvscopeError, InvalidInput
from convscope.engine.evaluation.human_attention import annotator_of
from convscope.engine.imaging.decode import decode
from convscope.services.common.collections.collection import BrokenFile, StoredAnnotation, annotation_path
from convscope.services.common.collections.records import BROKEN, Annotated, CollectionRecords
from convscope.services.common.collections.taking import LONGEST_FILE_NAME
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.v1.target_pb2 import Target

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
MOST_ANNOTATORS = 10_000
NAMES_AT_ONCE = 1000


@dataclass
class AnnotationsTaken:
    """What came of annotations."""

    annotations: int = 0
    attention_maps: int = 0
    duplicates: int = 0
    broken_count: int = 0
    broken: list[BrokenFile] = field(default_factory=list)
    """The first of them."""

    def refuse(self, name: str, message: str) -> None:
        """Note what cannot be taken."""
        self.broken_count += 1
        if len(self.broken) < BROKEN:
            self.broken.append(BrokenFile(name[:LONGEST_FILE_NAME], message))


class Annotating:
    """Takes annotations into a collection, one by one, and counts what comes of them."""

    def __init__(
        self,
        collection: str,
        records: CollectionRecords,
        artifacts: Artifacts,
        *,
        max_pixels: int,
        taken: AnnotationsTaken,
    ) -> None:
        """max_pixels: of one mask or map."""
        self._collection = collection
        self._records = records
        self._artifacts = artifacts
        self._max_pixels = max_pixels
        self._taken = taken
        self._names: dict[str, int] = {}
        self._named = 0

    def take(self, id: str, image: int | str, target: str, mask: bytes) -> None:
        """An annotation. image: number or file name. target: JSON, checked. mask: a file, or empty.

        What is wrong with it is counted. Raises CollectionNotFound; OSError where the artifact store refuses;
        redis.RedisError.
        """
        try:
            _check_id(id)
            number = self._checked_image(image)
            sha256 = self._keep(self._checked_mask(mask, number)) if mask else ""
        except ConvscopeError as error:
            self._taken.refuse(id, error.message)
            return
        answer = self._records.annotate(self._collection, StoredAnnotation(id, number, target, sha256))
        self._taken.annotations += self._counts(answer, id)

    def attend(self, file_name: str, content: bytes) -> None:
        """An attention map, which belongs to the annotation that its file's name begins with. Raises as take()."""
        try:
            annotation, annotator = annotator_of(file_name)
            if annotator > MOST_ANNOTATORS:
                message = f"annotators have numbers up to {MOST_ANNOTATORS}, not {annotator}"
                raise InvalidInput(message, field="file_name", reason="OUT_OF_RANGE")
            decode(content, max_pixels=self._max_pixels, field="content")
        except ConvscopeError as error:
            self._taken.refuse(file_name, error.message)
            return
        # A name without a number, of an annotation whose own name ends like one, is that annotation's.
        whole = file_name.rpartition(".")[0]
        if annotation != whole and self._records.annotation(self._collection, whole) is not None:
            annotation, annotator = whole, 0
        answer = self._records.attend(self._collection, annotation, annotator, self._keep(content))
        self._taken.attention_maps += self._counts(answer, file_name)

    def _checked_image(self, image: int | str) -> int:
        """The number of an image that is there."""
        if isinstance(image, str):
            self._read_names()
            if image not in self._names:
                raise InvalidInput(f"no image has the file name {image[:100]!r}", field="image", reason="NO_IMAGE")
            return self._names[image]
        if image < 0 or not self._records.images(self._collection, image, 1):
            raise InvalidInput(f"there is no image {image}", field="image", reason="NO_IMAGE")
        return image

    def _read_names(self) -> None:
        """Those of images that have come since, the first of a name."""
        while images := self._records.images(self._collection, self._named, NAMES_AT_ONCE):
            for number, image in enumerate(images, self._named):
                self._names.setdefault(image.file_name, number)
            self._named += len(images)

    def _checked_mask(self, mask: bytes, number: int) -> bytes:
        (image,) = self._records.images(self._collection, number, 1)
        picture = decode(mask, max_pixels=self._max_pixels, field="mask")
        if picture.size != (image.width, image.height):
            sizes = f"{picture.width} x {picture.height}, its image {image.width} x {image.height}"
            raise InvalidInput(f"the mask has {sizes} pixels", field="mask", reason="SHAPE_MISMATCH")
        if not to_mask(picture).any():
            raise InvalidInput("there is nothing bright in the mask", field="mask", reason="MASK_EMPTY")
        return mask

    def _keep(self, content: bytes) -> str:
        """Before the record, so that who reads that finds the file."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = annotation_path(self._collection, sha256)
        if not self._artifacts.exists(path):
            self._artifacts.put(path, content)
        return sha256

    def _counts(self, answer: Annotated | None, name: str) -> bool:
        """Whether it is new. Raises CollectionNotFound."""
        match answer:
            case None:
                raise CollectionNotFound(self._collection)
            case "duplicate":
                self._taken.duplicates += 1
            case "taken":
                self._taken.refuse(name, "there is another of this name")
            case "unknown":
                self._taken.refuse(name, "there is no annotation of this name")
        return answer == "added"


def to_json(target: Target) -> str:
    """As an annotation keeps it; empty for none."""
    return MessageToJson(target, indent=None, preserving_proto_field_name=True) if target.ByteSize() else ""


def to_mask(picture: Image.Image) -> NDArray[np.bool_]:
    """bool [H, W]: what is over half of white."""
    return np.asarray(picture.convert("L")) > 127


def _check_id(id: str) -> None:
    if not _ID.fullmatch(id):
        message = f"an annotation's name has 1 to 128 letters, digits, dots, hyphens and underscores, not {id[:100]!r}"
        raise InvalidInput(message, field="id", reason="NAME_INVALID")
