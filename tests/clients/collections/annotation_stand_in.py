"""The part of a server of collections that keeps annotations: real records in memory."""

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import code_pb2

from convscope.engine.errors import ConvscopeError
from convscope.engine.imaging.decode import decode
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1 import collection_service_pb2_grpc
from tests.clients.job_stand_in import refuse

ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
MAP_NAME = re.compile(r"(?P<id>.+?)(_(?P<annotator>[0-9]+))?\.png")


class Refused(Exception):
    """What cannot be taken, and why."""


@dataclass
class KeptAnnotation:
    """An annotation as a server keeps it."""

    record: messages.Annotation
    mask: bytes
    maps: dict[int, bytes] = field(default_factory=dict)


class AnnotationStandIn(collection_service_pb2_grpc.CollectionServiceServicer):
    """Annotations of the collections that whoever derives from it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        """All requests but those of uploads and jobs."""
        self.annotation_uploads: list[list[messages.UploadAnnotationsRequest]] = []
        """All messages of each UploadAnnotations."""

    @abstractmethod
    def _kept(self, name: str, context: grpc.ServicerContext, fault: str) -> Any:
        """The collection of that name."""

    def UploadAnnotations(
        self, request_iterator: Iterator[messages.UploadAnnotationsRequest], context: grpc.ServicerContext
    ) -> messages.UploadAnnotationsResponse:
        sent: list[messages.UploadAnnotationsRequest] = []
        self.annotation_uploads.append(sent)
        response, name = messages.UploadAnnotationsResponse(), ""
        for request in request_iterator:
            sent.append(request)
            name = request.collection or name
            kept = self._kept(name, context, "collection")
            try:
                if request.HasField("annotation"):
                    new = take_annotation(kept, request.annotation)
                    response.annotation_count += new
                elif request.HasField("attention_map"):
                    new = take_map(kept, request.attention_map)
                    response.attention_map_count += new
                else:
                    continue
                response.duplicate_count += not new
            except Refused as refused:
                called = request.annotation.id or request.attention_map.file_name
                response.broken_files.add(name=called, message=str(refused))
                response.broken_count += 1
            kept.record.annotation_count = len(kept.annotations)
        return response

    def ListAnnotations(
        self, request: messages.ListAnnotationsRequest, context: grpc.ServicerContext
    ) -> messages.ListAnnotationsResponse:
        copy = messages.ListAnnotationsRequest()
        copy.CopyFrom(request)
        self.asked.append(copy)
        found = [one.record for one in self._kept(request.collection, context, "collection").annotations.values()]
        start, size = int(request.page_token or 0), request.page_size or 100
        following = str(start + size) if start + size < len(found) else ""
        return messages.ListAnnotationsResponse(annotations=found[start : start + size], next_page_token=following)

    def GetAnnotation(
        self, request: messages.GetAnnotationRequest, context: grpc.ServicerContext
    ) -> messages.GetAnnotationResponse:
        self.asked.append(request)
        annotations = self._kept(request.collection, context, "collection").annotations
        if request.id not in annotations:
            refuse(context, code_pb2.NOT_FOUND, f"there is no annotation {request.id}", "UNKNOWN_ANNOTATION", "id")
        one = annotations[request.id]
        maps = [
            messages.AttentionMap(annotator=number, content=content) for number, content in sorted(one.maps.items())
        ]
        return messages.GetAnnotationResponse(annotation=one.record, mask=one.mask, attention_maps=maps)


def take_annotation(kept: Any, new: messages.NewAnnotation) -> bool:
    """Whether it is new. Raises Refused."""
    if not ID.fullmatch(new.id):
        raise Refused("an id is 1 to 128 letters, digits, dots, hyphens and underscores")
    numbers = {image.number: image.number for image, _ in kept.images}
    names = {image.file_name: image.number for image, _ in reversed(kept.images)}
    named = new.WhichOneof("image") == "file_name"
    number = names.get(new.file_name) if named else numbers.get(new.image_number)
    if number is None:
        raise Refused(f"there is no image {new.file_name if named else new.image_number}")
    check_picture(new.mask)
    record = messages.Annotation(
        id=new.id, image_number=number, target=new.target if new.HasField("target") else None, masked=bool(new.mask)
    )
    before = kept.annotations.get(new.id)
    if before is None:
        kept.annotations[new.id] = KeptAnnotation(record, new.mask)
        return True
    record.attention_map_count = before.record.attention_map_count
    if (before.record, before.mask) != (record, new.mask):
        raise Refused("the id is taken")
    return False


def take_map(kept: Any, new: messages.NewAttentionMap) -> bool:
    """Whether it is new. Raises Refused."""
    named = MAP_NAME.fullmatch(new.file_name)
    annotation = kept.annotations.get(named["id"]) if named else None
    if named is None or annotation is None:
        raise Refused("there is no annotation of that name")
    check_picture(new.content)
    number = int(named["annotator"] or 0)
    if number in annotation.maps:
        return False
    annotation.maps[number] = new.content
    annotation.record.attention_map_count += 1
    return True


def check_picture(content: bytes) -> None:
    """Of what is empty nothing is asked. Raises Refused."""
    try:
        if content:
            decode(content)
    except ConvscopeError as error:
        raise Refused(error.message) from error
