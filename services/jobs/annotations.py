"""What is known about the images of collections: taken, listed and read."""

from collections.abc import Iterator

from google.protobuf.json_format import Parse

from convscope.engine.errors import InvalidInput
from convscope.services.common.call import Call
from convscope.services.common.collections.annotating import Annotating, AnnotationsTaken, to_json
from convscope.services.common.collections.collection import StoredAnnotation
from convscope.services.common.errors import AnnotationNotFound
from convscope.services.common.resource_names import COLLECTIONS, collection_id
from convscope.services.common.store import reached
from convscope.services.jobs.collection_answers import to_broken
from convscope.services.jobs.collections import Collections, written
from convscope.v1.collection_service_pb2 import (
    Annotation,
    AttentionMap,
    GetAnnotationResponse,
    NewAnnotation,
    UploadAnnotationsRequest,
    UploadAnnotationsResponse,
)
from convscope.v1.target_pb2 import Target

LONGEST_TARGET = 16 * 1024
"""Bytes; more than any sentence that is accepted."""


class Annotations:
    """The annotations of a cluster's collections. Every method raises StoreAway, ArtifactsAway."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def take(self, requests: Iterator[UploadAnnotationsRequest], call: Call) -> UploadAnnotationsResponse:
        """All of a stream. Raises CollectionNotFound, InvalidInput where no collection is named, CallCancelled."""
        taken = AnnotationsTaken()
        annotating = None
        for request in requests:
            call.check()
            if request.collection or annotating is None:
                id = self._collections.find(collection_id(request.collection, field="collection")).id
                annotating = self._collections.annotating(id, taken)
            with written(request.collection), reached():
                match request.WhichOneof("kind"):
                    case "annotation":
                        self._take_one(request.annotation, annotating, taken)
                    case "attention_map":
                        annotating.attend(request.attention_map.file_name, request.attention_map.content)
        if annotating is None:
            message = "the first message must name the collection"
            raise InvalidInput(message, field="collection", reason="NAME_INVALID")
        return UploadAnnotationsResponse(
            annotation_count=taken.annotations,
            attention_map_count=taken.attention_maps,
            duplicate_count=taken.duplicates,
            broken_files=map(to_broken, taken.broken),
            broken_count=taken.broken_count,
        )

    def page(self, collection: str, first: int, count: int) -> list[Annotation]:
        """Those with the numbers from `first` on, `count` at most."""
        with reached():
            return list(map(_to_annotation, self._collections.records.annotations(collection, first, count)))

    def whole(self, collection: str, name: str) -> GetAnnotationResponse:
        """With its files. Raises AnnotationNotFound."""
        with reached():
            found = self._collections.records.annotation(collection, name)
        if found is None:
            raise AnnotationNotFound(COLLECTIONS + collection, name)
        return GetAnnotationResponse(
            annotation=_to_annotation(found),
            mask=self._collections.annotation_file(collection, found.mask) if found.mask else b"",
            attention_maps=[
                AttentionMap(annotator=annotator, content=self._collections.annotation_file(collection, sha256))
                for annotator, sha256 in found.attention
            ],
        )

    @staticmethod
    def _take_one(annotation: NewAnnotation, annotating: Annotating, taken: AnnotationsTaken) -> None:
        try:
            target = _written(annotation.target)
            image = _image(annotation)
        except InvalidInput as error:
            taken.refuse(annotation.id, error.message)
            return
        annotating.take(annotation.id, image, target, annotation.mask)


def _image(annotation: NewAnnotation) -> int | str:
    named = annotation.WhichOneof("image")
    if named is None:
        message = "an annotation is of an image: its number, or the name of its file"
        raise InvalidInput(message, field="image", reason="NO_IMAGE")
    image: int | str = getattr(annotation, named)
    return image


def _written(target: Target) -> str:
    """A target as it is kept; whether a model knows it, a worker finds out. Raises InvalidInput."""
    if target.WhichOneof("kind") == "unit":
        message = "what is asked of an image is a class, a caption, a word or an answer, not a unit"
        raise InvalidInput(message, field="target", reason="TARGET_UNSUPPORTED")
    if target.ByteSize() > LONGEST_TARGET:
        message = f"a target has at most {LONGEST_TARGET} bytes, not {target.ByteSize()}"
        raise InvalidInput(message, field="target", reason="OUT_OF_RANGE")
    return to_json(target)


def _to_annotation(annotation: StoredAnnotation) -> Annotation:
    return Annotation(
        id=annotation.id,
        image_number=annotation.image_number,
        target=Parse(annotation.target, Target()) if annotation.target else None,
        masked=bool(annotation.mask),
        attention_map_count=len(annotation.attention),
    )
