"""Annotations on their way into a collection."""

from collections.abc import Iterable, Iterator
from itertools import starmap

from convscope.client.annotation_stream import AnnotationStream
from convscope.client.annotations import Annotation
from convscope.client.arguments import check_integer, check_text, under
from convscope.client.errors import InvalidArgument
from convscope.client.grey import to_grey_file
from convscope.client.targets import Unit, to_target
from convscope.v1.collection_service_pb2 import NewAnnotation, UploadAnnotationsRequest

WANTED = "an Annotation or several"


class AnnotationUpload(AnnotationStream):
    """Annotations for a collection."""

    THING = "annotation"

    def __init__(self, collection: str, annotations: Annotation | Iterable[Annotation]) -> None:
        """collection: collections/{collection}. annotations: of what is no generator, all is read at once.

        Raises InvalidArgument, which names the annotation by its place: annotations[3].target.
        """
        if isinstance(annotations, Annotation):
            annotations = [annotations]
        if not isinstance(annotations, Iterable):
            message = f"annotations must be {WANTED}, not {annotations!r}"
            raise InvalidArgument(message, field="annotations", reason="OUT_OF_RANGE")
        self._annotations: Iterable[NewAnnotation] = starmap(_to_message, enumerate(annotations))
        total = 0
        if not isinstance(annotations, Iterator):
            self._annotations = all_of_them = list(self._annotations)
            total = len(all_of_them)
        super().__init__(collection, total)

    def _messages(self) -> Iterator[tuple[str, UploadAnnotationsRequest]]:
        for annotation in self._annotations:
            yield annotation.id, UploadAnnotationsRequest(annotation=annotation)


def _to_message(number: int, annotation: Annotation) -> NewAnnotation:
    place = f"annotations[{number}]"
    if not isinstance(annotation, Annotation):
        message = f"{place} must be an Annotation, not {annotation!r}"
        raise InvalidArgument(message, field=place, reason="OUT_OF_RANGE")
    with under(place):
        if isinstance(annotation.target, Unit):
            message = "what is asked of an image is a class, a caption, a word or an answer, not a unit"
            raise InvalidArgument(message, field="target", reason="TARGET_UNSUPPORTED")
        made = NewAnnotation(
            id=check_text("id", annotation.id, "OUT_OF_RANGE"),
            target=to_target(annotation.target),
            mask=None if annotation.mask is None else to_grey_file(annotation.mask, field="mask"),
        )
        if isinstance(annotation.image, str):
            made.file_name = check_text("image", annotation.image, "UNKNOWN_IMAGE")
        else:
            made.image_number = check_integer("image", annotation.image, "a number or the name of a file", bits=64)
    return made
