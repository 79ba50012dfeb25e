"""CollectionService: collections of images, and long work on them."""

import json
import math
from collections.abc import Iterator
from contextlib import suppress

import grpc
import redis
from google.longrunning.operations_pb2 import Operation
from google.protobuf.empty_pb2 import Empty

from convscope.engine.errors import InvalidInput
from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.services.common.cards import find_card
from convscope.services.common.collections.collection import Collection as Records
from convscope.services.common.collections.taking import LONGEST_FILE_NAME, Taken
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.newest import Place
from convscope.services.common.pages import foreign_token, from_token, page_size, to_token
from convscope.services.common.resource_names import collection_id, model_name
from convscope.services.common.store import reached
from convscope.services.jobs.annotations import Annotations
from convscope.services.jobs.callers import caller_of
from convscope.services.jobs.collection_answers import to_broken, to_collection, to_image
from convscope.services.jobs.collection_orders import (
    check_import_images,
    check_index_collection,
    check_project_collection,
)
from convscope.services.jobs.collection_work import CollectionWork
from convscope.services.jobs.collections import Collections
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.orders import LONGEST_REQUEST_ID, Order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.collection_service_pb2 import (
    Collection,
    CreateCollectionRequest,
    CreateCollectionResponse,
    DeleteCollectionRequest,
    GetAnnotationRequest,
    GetAnnotationResponse,
    GetCollectionRequest,
    GetCollectionResponse,
    GetImageRequest,
    GetImageResponse,
    ImportImagesRequest,
    IndexCollectionRequest,
    ListAnnotationsRequest,
    ListAnnotationsResponse,
    ListCollectionsRequest,
    ListCollectionsResponse,
    ListImagesRequest,
    ListImagesResponse,
    ProjectCollectionRequest,
    UploadAnnotationsRequest,
    UploadAnnotationsResponse,
    UploadImagesRequest,
    UploadImagesResponse,
)
from convscope.v1.collection_service_pb2_grpc import CollectionServiceServicer

LONGEST_DISPLAY_NAME = 200


class CollectionServicer(CollectionServiceServicer):
    """An upload holds a place for as long as it lasts."""

    def __init__(
        self,
        desk: Desk,
        collections: Collections,
        store: redis.Redis,
        work: CollectionWork,
        *,
        calls: Admission,
        uploads: Admission,
        limits: JobsSettings,
    ) -> None:
        self._desk = desk
        self._work = work
        self._collections = collections
        self._annotations = Annotations(collections)
        self._store = store
        self._calls = calls
        self._uploads = uploads
        self._limits = limits

    def CreateCollection(
        self, request: CreateCollectionRequest, context: grpc.ServicerContext
    ) -> CreateCollectionResponse:
        _check_length(request.display_name, LONGEST_DISPLAY_NAME, field="display_name")
        _check_length(request.request_id, LONGEST_REQUEST_ID, field="request_id")
        made = self._collections.create(request.display_name, caller=caller_of(context), request_id=request.request_id)
        return CreateCollectionResponse(collection=to_collection(made, ()))

    def GetCollection(self, request: GetCollectionRequest, context: grpc.ServicerContext) -> GetCollectionResponse:
        id = collection_id(request.name, field="name")
        return GetCollectionResponse(collection=self._describe(id, field="name"))

    def ListCollections(
        self, request: ListCollectionsRequest, context: grpc.ServicerContext
    ) -> ListCollectionsResponse:
        size = page_size(request.page_size)
        after = _place(request.page_token) if request.page_token else None
        with reached():
            places = self._collections.records.before(after, size + 1)
        page: list[Collection] = []
        for _, id in places[:size]:
            with suppress(CollectionNotFound):  # deleted meanwhile
                page.append(self._describe(id, field="name"))
        token = to_token(json.dumps(places[size - 1])) if len(places) > size else ""
        return ListCollectionsResponse(collections=page, next_page_token=token)

    def DeleteCollection(self, request: DeleteCollectionRequest, context: grpc.ServicerContext) -> Empty:
        self._collections.delete(collection_id(request.name, field="name"))
        return Empty()

    def UploadImages(
        self, request_iterator: Iterator[UploadImagesRequest], context: grpc.ServicerContext
    ) -> UploadImagesResponse:
        call, taken = Call.of(context), Taken()
        id = ""
        with self._uploads.place():
            for request in request_iterator:
                call.check()
                if request.collection or not id:
                    id = self._collections.find(collection_id(request.collection, field="collection")).id
                if not request.file_name and not request.content:
                    continue
                _check_length(request.file_name, LONGEST_FILE_NAME, field="file_name")
                self._collections.take(id, request.file_name, request.content, taken)
        if not id:
            message = "the first message must name the collection"
            raise InvalidInput(message, field="collection", reason="NAME_INVALID")
        return UploadImagesResponse(
            added_count=taken.added,
            duplicate_count=taken.duplicates,
            broken_files=map(to_broken, taken.broken),
            broken_count=taken.broken_count,
        )

    def ListImages(self, request: ListImagesRequest, context: grpc.ServicerContext) -> ListImagesResponse:
        id = self._collections.find(collection_id(request.collection, field="collection")).id
        size = page_size(request.page_size)
        first = _first(request.page_token) if request.page_token else 0
        with reached():
            images = self._collections.records.images(id, first, size + 1)
        page = [to_image(number, image) for number, image in enumerate(images[:size], first)]
        token = to_token(str(first + size)) if len(images) > size else ""
        return ListImagesResponse(images=page, next_page_token=token)

    def GetImage(self, request: GetImageRequest, context: grpc.ServicerContext) -> GetImageResponse:
        collection = self._collections.find(collection_id(request.collection, field="collection"))
        if not 0 <= request.number < collection.image_count:
            there = f"0 to {collection.image_count - 1}" if collection.image_count else "none"
            message = f"there is no image {request.number}; the collection has {there}"
            raise InvalidInput(message, field="number", reason="OUT_OF_RANGE")
        with self._calls.place():
            with reached():
                (image,) = self._collections.records.images(collection.id, request.number, 1)
            content = self._collections.image(collection.id, image)
        return GetImageResponse(image=to_image(request.number, image), content=content)

    def UploadAnnotations(
        self, request_iterator: Iterator[UploadAnnotationsRequest], context: grpc.ServicerContext
    ) -> UploadAnnotationsResponse:
        call = Call.of(context)
        with self._uploads.place():
            return self._annotations.take(request_iterator, call)

    def ListAnnotations(
        self, request: ListAnnotationsRequest, context: grpc.ServicerContext
    ) -> ListAnnotationsResponse:
        id = self._collections.find(collection_id(request.collection, field="collection")).id
        size = page_size(request.page_size)
        first = _first(request.page_token) if request.page_token else 0
        page = self._annotations.page(id, first, size + 1)
        token = to_token(str(first + size)) if len(page) > size else ""
        return ListAnnotationsResponse(annotations=page[:size], next_page_token=token)

    def GetAnnotation(self, request: GetAnnotationRequest, context: grpc.ServicerContext) -> GetAnnotationResponse:
        collection = self._collections.find(collection_id(request.collection, field="collection"))
        with self._calls.place():
            return self._annotations.whole(collection.id, request.id)

    def ImportImages(self, request: ImportImagesRequest, context: grpc.ServicerContext) -> Operation:
        def check(collection: Records) -> Order:
            return check_import_images(request, collection, self._limits)

        return self._work.hand_in(request.collection, check, context)

    def IndexCollection(self, request: IndexCollectionRequest, context: grpc.ServicerContext) -> Operation:
        def check(collection: Records) -> Order:
            with reached():
                card = find_card(self._store, model_name(request.model, field="model"))
            return check_index_collection(request, collection, card, self._limits)

        return self._work.hand_in(request.collection, check, context)

    def ProjectCollection(self, request: ProjectCollectionRequest, context: grpc.ServicerContext) -> Operation:
        def check(collection: Records) -> Order:
            return check_project_collection(request, collection, self._desk)

        return self._work.hand_in(request.collection, check, context)

    def _describe(self, id: str, *, field: str) -> Collection:
        collection = self._collections.find(id, field=field)
        return to_collection(collection, self._collections.jobs_of(collection))


def _check_length(text: str, most: int, *, field: str) -> None:
    if len(text) > most:
        message = f"{field} has {len(text)} characters; at most {most} are accepted"
        raise InvalidInput(message, field=field, reason="OUT_OF_RANGE")


def _place(token: str) -> Place:
    """Where a page of collections ended. Raises InvalidInput for a token that is none."""
    try:
        created, id = json.loads(from_token(token))
        place = (float(created), str(id))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise foreign_token() from None
    if not math.isfinite(place[0]):
        raise foreign_token()
    return place


def _first(token: str) -> int:
    """The number with which a page of images begins. Raises InvalidInput for a token that is none."""
    number = from_token(token)
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise foreign_token()
    return int(number)
