"""A server of collections that a test leads by the hand: real records in memory, faults on demand."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any

import grpc
import numpy as np
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2
from PIL import Image

from convscope.client.job_info import COLLECTION_KINDS
from convscope.engine.errors import ConvscopeError
from convscope.engine.imaging.decode import decode
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1 import collection_service_pb2_grpc, evaluation_service_pb2_grpc, inspection_service_pb2_grpc
from convscope.v1.evaluation_service_pb2 import (
    ATTENTION_SOURCE_PEOPLE,
    ATTENTION_SOURCE_TRUTH,
    AttentionSource,
    EvaluateAttentionRequest,
    EvaluateMethodsRequest,
)
from convscope.v1.image_pb2 import Region
from convscope.v1.inspection_service_pb2 import (
    FindNeighborsRequest,
    FindNeighborsResponse,
    FindPatchesRequest,
    FindPatchesResponse,
    Neighbor,
    Patch,
)
from convscope.v1.job_service_pb2 import Job, JobEvent, JobProgress
from convscope.v1.prediction_pb2 import Prediction
from convscope.v1.synthesis_service_pb2 import TrainPriorRequest
from tests.clients.collections.annotation_stand_in import AnnotationStandIn, KeptAnnotation
from tests.clients.collections.evaluation_stand_in import (
    EvaluationStandIn,
    attention_response,
    methods_response,
    report_files,
)
from tests.clients.collections.prior_stand_in import PriorStandIn, prior_files
from tests.clients.job_stand_in import JobServer, JobStandIn, Record, png, refuse

IMPORT_ROOT = "file:///data"
PATCH, THUMBNAIL = (24, 16), (48, 32)
"""Width and height of each."""
LENGTH = 8
PAGE_HTML = b"<!doctype html><title>a map</title>"


@dataclass
class Kept:
    """A collection as a server keeps it."""

    record: messages.Collection
    images: list[tuple[messages.CollectionImage, bytes]] = field(default_factory=list)
    annotations: dict[str, KeptAnnotation] = field(default_factory=dict)


@dataclass
class Work(Record):
    """A job on a collection."""

    request: Any = None


class CollectionStandIn(
    PriorStandIn,
    JobStandIn,
    AnnotationStandIn,
    EvaluationStandIn,
    inspection_service_pb2_grpc.InspectionServiceServicer,
):
    """As JobStandIn; the work of a job on a collection is done as soon as it is begun."""

    def __init__(self) -> None:
        JobStandIn.__init__(self, work=self.run)
        AnnotationStandIn.__init__(self)
        PriorStandIn.__init__(self)
        self.kept: dict[str, Kept] = {}
        self.page = 3
        """Collections in each page of their list."""
        self.uploads: list[list[messages.UploadImagesRequest]] = []
        """The files of each UploadImages."""
        self.upload_ends: list[str] = []
        """How each UploadImages came to its end: answered, refused, gone."""
        self.at_file: Callable[[int, grpc.ServicerContext], None] = lambda number, context: None
        """Called with the number, from 1, of each file that has come, before it is taken."""

    # What a worker does.

    def run(self, name: str, steps: int = 4, pause: float = 0.0, then: str = "succeed") -> None:
        """As JobStandIn.run(), but without a preview, where nothing is descended nor ascended."""
        if self.records[name].job.kind not in COLLECTION_KINDS:
            super().run(name, steps, pause, then)
            return
        idle = threading.Event()
        self.begin(name)
        for step in range(1, steps + 1):
            idle.wait(pause)
            progress = JobProgress(step=step, total=steps)
            self.records[name].job.progress.CopyFrom(progress)
            self._tell(name, JobEvent(progress=progress))
        getattr(self, then)(name)

    def succeed(self, name: str, **more: bytes) -> None:
        """As JobStandIn.succeed()."""
        record = self.records[name]
        if not isinstance(record, Work):
            super().succeed(name, **more)
            return
        match record.request:
            case messages.ImportImagesRequest(collection=collection):
                record.response = messages.ImportImagesResponse(
                    collection=collection, added_count=5, duplicate_count=2, broken_count=1
                )
            case EvaluateMethodsRequest(collection=collection):
                record.files = report_files(chart=False) | named(more)
                record.response = methods_response(name, record.request, len(self.kept[collection].images))
            case EvaluateAttentionRequest(collection=collection):
                record.files = report_files(chart=True) | named(more)
                count, source = self._compared(collection)
                record.response = attention_response(name, record.request, count, source)
            case TrainPriorRequest(collection=collection):
                record.files = prior_files() | named(more)
                record.response = self.trained(name, record.request, len(self.kept[collection].images))
            case messages.IndexCollectionRequest():
                record.response = self._indexed(record.request)
            case messages.ProjectCollectionRequest(collection=collection):
                count = len(self.kept[collection].images)
                record.files = map_files(count) | named(more)
                record.response = messages.ProjectCollectionResponse(
                    collection=collection,
                    index=self.kept[collection].record.indexes[0].id,
                    image_count=count,
                    coordinates=f"{name}/artifacts/coordinates.npy",
                    picture=f"{name}/artifacts/map.png",
                    page=f"{name}/artifacts/map.html",
                )
        self.leave(name)

    def _indexed(self, request: messages.IndexCollectionRequest) -> messages.IndexCollectionResponse:
        before = {one.id: one.image_count for one in self.kept[request.collection].record.indexes}
        made = self.add_index(request.collection, request.model.removeprefix("models/"), *request.layers)
        return messages.IndexCollectionResponse(
            collection=request.collection, index=made, indexed_count=made.image_count - before.get(made.id, 0)
        )

    def _compared(self, collection: str) -> tuple[int, AttentionSource]:
        """How many examples, and with what methods are compared."""
        annotations = self.kept[collection].annotations.values()
        looked_at = [one for one in annotations if one.maps]
        if looked_at:
            return len(looked_at), ATTENTION_SOURCE_PEOPLE
        return sum(one.record.masked for one in annotations), ATTENTION_SOURCE_TRUTH

    def add_collection(self, display_name: str = "photos", images: int = 0) -> str:
        """With so many images, each of a colour of its own; its name."""
        name = f"collections/{len(self.kept) + 1:04}"
        record = messages.Collection(name=name, display_name=display_name)
        record.create_time.GetCurrentTime()
        self.kept[name] = Kept(record)
        for number in range(images):
            self._take(self.kept[name], f"image-{number}.png", plain_png(number))
        return name

    def add_index(self, name: str, model: str, *layers: str) -> messages.CollectionIndex:
        """Of all images there are."""
        kept = self.kept[name]
        id = sha256(repr((model, layers)).encode()).hexdigest()[:16]
        made = messages.CollectionIndex(
            id=id, model=f"models/{model}", weights_digest="ab" * 32, embedding_length=LENGTH, layers=layers,
            patches_per_channel=32, image_count=len(kept.images), size_bytes=1000,
        )  # fmt: skip
        made.update_time.GetCurrentTime()
        others = [one for one in kept.record.indexes if one.id != id]
        del kept.record.indexes[:]
        kept.record.indexes.extend([made, *others])
        return made

    # What a server does.

    def CreateCollection(
        self, request: messages.CreateCollectionRequest, context: grpc.ServicerContext
    ) -> messages.CreateCollectionResponse:
        self.asked.append(request)
        name = self._calls.get(request.request_id)
        if name is None:
            name = self._calls[request.request_id] = self.add_collection(request.display_name)
        if self.lost_answers:
            self.lost_answers -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return messages.CreateCollectionResponse(collection=self.kept[name].record)

    def GetCollection(
        self, request: messages.GetCollectionRequest, context: grpc.ServicerContext
    ) -> messages.GetCollectionResponse:
        self.asked.append(request)
        return messages.GetCollectionResponse(collection=self._kept(request.name, context, "name").record)

    def ListCollections(
        self, request: messages.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> messages.ListCollectionsResponse:
        self.asked.append(request)
        found = [kept.record for kept in reversed(self.kept.values())]
        start = int(request.page_token or 0)
        following = str(start + self.page) if start + self.page < len(found) else ""
        return messages.ListCollectionsResponse(collections=found[start : start + self.page], next_page_token=following)

    def DeleteCollection(self, request: messages.DeleteCollectionRequest, context: grpc.ServicerContext) -> Empty:
        kept = self._kept(request.name, context, "name")
        if kept.record.jobs:
            message = f"{kept.record.jobs[0]} works on {request.name}; wait for its end, or cancel it"
            refuse(context, code_pb2.FAILED_PRECONDITION, message, "COLLECTION_BUSY", "name")
        del self.kept[request.name]
        return Empty()

    def UploadImages(
        self, request_iterator: Iterator[messages.UploadImagesRequest], context: grpc.ServicerContext
    ) -> messages.UploadImagesResponse:
        files: list[messages.UploadImagesRequest] = []
        self.uploads.append(files)
        response, name, end = messages.UploadImagesResponse(), "", "gone"
        try:
            for request in request_iterator:
                name = request.collection or name
                if not request.file_name:
                    self._kept(name, context, "collection")
                    continue
                self.at_file(len(files) + 1, context)
                files.append(request)
                outcome = self._take(self._kept(name, context, "collection"), request.file_name, request.content)
                response.added_count += outcome == "added"
                response.duplicate_count += outcome == "duplicate"
                if isinstance(outcome, messages.BrokenFile):
                    response.broken_files.append(outcome)
                    response.broken_count += 1
            end = "answered"
        finally:
            # What has come before the caller went is taken to its end, but nobody hears the answer.
            if not context.is_active():
                end = "gone"
            elif end != "answered":
                end = "refused"
            self.upload_ends.append(end)
        return response

    def ListImages(
        self, request: messages.ListImagesRequest, context: grpc.ServicerContext
    ) -> messages.ListImagesResponse:
        copy = messages.ListImagesRequest()
        copy.CopyFrom(request)
        self.asked.append(copy)
        images = [image for image, _ in self._kept(request.collection, context, "collection").images]
        start, size = int(request.page_token or 0), request.page_size or 100
        following = str(start + size) if start + size < len(images) else ""
        return messages.ListImagesResponse(images=images[start : start + size], next_page_token=following)

    def GetImage(self, request: messages.GetImageRequest, context: grpc.ServicerContext) -> messages.GetImageResponse:
        self.asked.append(request)
        images = self._kept(request.collection, context, "collection").images
        if not 0 <= request.number < len(images):
            message = f"there is no image {request.number}; the collection has 0 to {len(images) - 1}"
            refuse(context, code_pb2.INVALID_ARGUMENT, message, "OUT_OF_RANGE", "number")
        image, content = images[request.number]
        return messages.GetImageResponse(image=image, content=content)

    def ImportImages(self, request: messages.ImportImagesRequest, context: grpc.ServicerContext) -> Any:
        if not (request.HasField("shapes") or request.url.startswith(IMPORT_ROOT)):
            message = f"{request.url} is outside of what may be imported"
            refuse(context, code_pb2.PERMISSION_DENIED, message, "URL_NOT_ALLOWED", "url")
        return self._begin("import_images", request, context)

    def IndexCollection(self, request: messages.IndexCollectionRequest, context: grpc.ServicerContext) -> Any:
        if not self._kept(request.collection, context, "collection").images:
            message = f"{request.collection} has no images; upload some"
            refuse(context, code_pb2.FAILED_PRECONDITION, message, "COLLECTION_EMPTY", "collection")
        return self._begin("index_collection", request, context)

    def ProjectCollection(self, request: messages.ProjectCollectionRequest, context: grpc.ServicerContext) -> Any:
        if not self._kept(request.collection, context, "collection").record.indexes:
            message = f"{request.collection} has no index; index it first"
            refuse(context, code_pb2.FAILED_PRECONDITION, message, "NO_INDEX", "index")
        return self._begin("project_collection", request, context)

    def FindPatches(self, request: FindPatchesRequest, context: grpc.ServicerContext) -> FindPatchesResponse:
        self.asked.append(request)
        kept = self._kept(request.collection, context, "collection")
        index = next((one for one in kept.record.indexes if request.layer in one.layers), None)
        if index is None:
            message = f"no index of {request.collection} has the layer {request.layer!r}; index it with that"
            refuse(context, code_pb2.FAILED_PRECONDITION, message, "NO_INDEX", "layer")
        count = request.k if request.HasField("k") else 9
        patches = [
            Patch(
                number=number, file_name=image.file_name, activation=10.5 - number, row=number, column=2,
                region=Region(left=1.5, top=2, right=30, bottom=40),
                input_region=Region(left=0, top=1, right=24, bottom=17),
                crop=plain_png(number, PATCH) if request.crops else b"",
            )
            for number, (image, _) in enumerate(kept.images[:count])
        ]  # fmt: skip
        return FindPatchesResponse(patches=patches, exact=True, index=index.id, image_count=index.image_count)

    def FindNeighbors(self, request: FindNeighborsRequest, context: grpc.ServicerContext) -> FindNeighborsResponse:
        self.asked.append(request)
        kept = self._kept(request.collection, context, "collection")
        index = kept.record.indexes[0]
        own = request.number if request.HasField("number") else -1
        found = [(number, image) for number, (image, _) in enumerate(kept.images) if number != own]
        neighbors = [
            Neighbor(
                number=number, file_name=image.file_name, distance=0.25 * place,
                prediction=Prediction(index=281, label="tabby", probability=0.5),
                thumbnail=plain_jpeg(number) if request.thumbnails else b"",
            )
            for place, (number, image) in enumerate(found[: request.k])
        ]  # fmt: skip
        return FindNeighborsResponse(neighbors=neighbors, index=index.id, image_count=index.image_count)

    def _take(self, kept: Kept, name: str, content: bytes) -> str | messages.BrokenFile:
        digest = sha256(content).hexdigest()
        try:
            width, height = decode(content).size
        except ConvscopeError as error:
            broken = messages.BrokenFile(name=name, message=error.message)
            kept.record.broken_files.append(broken)
            kept.record.broken_count += 1
            return broken
        if any(image.sha256 == digest for image, _ in kept.images):
            kept.record.duplicate_count += 1
            return "duplicate"
        image = messages.CollectionImage(
            number=len(kept.images), file_name=name, sha256=digest, width=width, height=height,
            size_bytes=len(content),
        )  # fmt: skip
        kept.images.append((image, content))
        kept.record.image_count += 1
        kept.record.size_bytes += len(content)
        return "added"

    def _begin(self, kind: str, request: Any, context: grpc.ServicerContext) -> Any:
        self._kept(request.collection, context, "collection")
        return self._submit(kind, request, Work(Job(), request=request), context)

    def _kept(self, name: str, context: grpc.ServicerContext, fault: str) -> Kept:
        if name not in self.kept:
            message = f"there is no {name}; it may have been deleted"
            refuse(context, code_pb2.NOT_FOUND, message, "UNKNOWN_COLLECTION", fault)
        return self.kept[name]


class CollectionServer(JobServer):
    """Serves a CollectionStandIn."""

    def __init__(self, stand_in: CollectionStandIn) -> None:
        self.collections = stand_in
        super().__init__(stand_in)

    def add_services(self, server: grpc.Server) -> None:
        super().add_services(server)
        collection_service_pb2_grpc.add_CollectionServiceServicer_to_server(self.collections, server)
        evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server(self.collections, server)
        inspection_service_pb2_grpc.add_InspectionServiceServicer_to_server(self.collections, server)


@contextmanager
def serving_collections() -> Iterator[CollectionServer]:
    """On a free port."""
    server = CollectionServer(CollectionStandIn())
    try:
        yield server
    finally:
        server.stop()


class Hold:
    """Lets no file be taken from a number on, until `go` is set or the caller has gone."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, number: int, context: grpc.ServicerContext) -> None:
        if number < self._at:
            return
        self.reached.set()
        # False: the caller has gone already.
        if context.add_callback(self.go.set):
            self.go.wait(30)


def plain(number: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Of one colour, which tells its number."""
    return Image.new("RGB", size, (40 * number % 256, 255 - 40 * number % 256, 128))


def plain_png(number: int, size: tuple[int, int] = (40, 30)) -> bytes:
    return png(plain(number, size))


def plain_jpeg(number: int) -> bytes:
    file = BytesIO()
    plain(number, THUMBNAIL).save(file, "JPEG")
    return file.getvalue()


def named(files: dict[str, bytes]) -> dict[str, bytes]:
    """By their names, which had _ for the last dot."""
    return {".".join(key.rsplit("_", 1)): data for key, data in files.items()}


def map_files(count: int) -> dict[str, bytes]:
    """That a map of so many images leaves."""
    return {
        "coordinates.npy": npy(np.arange(2 * count, dtype=np.float32).reshape(count, 2)),
        "map.png": png(Image.new("RGB", (96, 48), "orange")),
        "map.html": PAGE_HTML,
    }


def npy(array: Any) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()
