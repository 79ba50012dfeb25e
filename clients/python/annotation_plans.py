"""The calls that read annotations, as plans."""

from convscope.client.annotations import AnnotationFiles, AnnotationInfo
from convscope.client.arguments import check_integer, check_text
from convscope.client.plans import Plan
from convscope.client.target_parse import from_target
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.collection_service_pb2 import (
    GetAnnotationRequest,
    GetAnnotationResponse,
    ListAnnotationsRequest,
    ListAnnotationsResponse,
)


class AnnotationPages:
    """The annotations of a collection, page by page."""

    def __init__(self, collection: str, page_size: int | None) -> None:
        """Raises InvalidArgument."""
        self._request = ListAnnotationsRequest(
            collection=collection, page_size=None if page_size is None else check_integer("page_size", page_size)
        )
        self.over = False
        """Whether the last page has come."""

    def plan(self) -> Plan[list[AnnotationInfo]]:
        """The next page."""
        return Plan(lambda stubs: stubs.collections.ListAnnotations, self._request, self._take)

    def _take(self, response: ListAnnotationsResponse) -> list[AnnotationInfo]:
        self._request.page_token = response.next_page_token
        self.over = not response.next_page_token
        return [_to_info(one) for one in response.annotations]


def get_annotation(collection: str, id: str) -> Plan[AnnotationFiles]:
    """Raises InvalidArgument."""

    def parse(response: GetAnnotationResponse) -> AnnotationFiles:
        maps = {one.annotator: one.content for one in response.attention_maps}
        return AnnotationFiles(_to_info(response.annotation), response.mask, maps)

    request = GetAnnotationRequest(collection=collection, id=check_text("id", id, "UNKNOWN_ANNOTATION"))
    return Plan(lambda stubs: stubs.collections.GetAnnotation, request, parse)


def _to_info(message: messages.Annotation) -> AnnotationInfo:
    return AnnotationInfo(
        id=message.id,
        image_number=message.image_number,
        target=from_target(message.target),
        masked=message.masked,
        attention_map_count=message.attention_map_count,
    )
