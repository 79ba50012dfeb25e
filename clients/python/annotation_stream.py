"""The stream by which annotations and attention maps come into a collection."""

from typing import Any

from convscope.client.collection_parse import to_annotated
from convscope.client.plans import Stubs
from convscope.client.sending import Sending
from convscope.client.taken import Annotated
from convscope.v1.collection_service_pb2 import UploadAnnotationsRequest, UploadAnnotationsResponse


class AnnotationStream(Sending[Annotated]):
    """What its messages are say those that derive from it."""

    def __init__(self, collection: str, total: int) -> None:
        """collection: collections/{collection}. total: as in Sending."""
        super().__init__(total)
        self._collection = collection

    @staticmethod
    def rpc(stubs: Stubs) -> Any:
        return stubs.collections.UploadAnnotations

    def _opening(self) -> UploadAnnotationsRequest:
        return UploadAnnotationsRequest(collection=self._collection)

    def _read(self, response: UploadAnnotationsResponse) -> Annotated:
        return to_annotated(response)
