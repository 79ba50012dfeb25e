"""Messages about collections to what calls return."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped,unused-ignore]
from google.protobuf.message import Message

from convscope.client.collection_info import BrokenFile, CollectionImage, CollectionIndex, CollectionInfo
from convscope.client.collection_map import COORDINATES, PAGE, PICTURE, CollectionMap
from convscope.client.job_info import Artifact, JobInfo
from convscope.client.job_parse import short_name, success_of, to_time, unknown_response
from convscope.client.taken import Annotated, Imported, Uploaded
from convscope.v1 import collection_service_pb2 as messages

R = TypeVar("R")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Ending(Generic[R]):
    """What an operation that is done gave."""

    files: tuple[Artifact, ...]
    """Those that its result needs."""
    made: Callable[[Mapping[str, bytes]], R]
    """The result, of the files by their names."""


Reading = Callable[[Operation], Ending[R]]
"""Raises the job's own error where it failed, Cancelled where it was cancelled."""


def to_collection_info(message: messages.Collection) -> CollectionInfo:
    return CollectionInfo(
        name=message.name,
        display_name=message.display_name,
        created=_time(message, "create_time"),
        image_count=message.image_count,
        size=message.size_bytes,
        duplicate_count=message.duplicate_count,
        broken_count=message.broken_count,
        broken=_to_broken(message.broken_files),
        indexes=tuple(to_index(one) for one in message.indexes),
        jobs=tuple(message.jobs),
        annotation_count=message.annotation_count,
    )


def to_index(message: messages.CollectionIndex) -> CollectionIndex:
    return CollectionIndex(
        name=message.id,
        model=message.model.removeprefix("models/"),
        weights_digest=message.weights_digest,
        embedding_layer=message.embedding_layer,
        embedding_length=message.embedding_length,
        layers=tuple(message.layers),
        patches_per_channel=message.patches_per_channel,
        neurons=message.neurons,
        image_count=message.image_count,
        size=message.size_bytes,
        updated=_time(message, "update_time"),
    )


def to_collection_image(message: messages.CollectionImage) -> CollectionImage:
    return CollectionImage(
        number=message.number,
        file_name=message.file_name,
        sha256=message.sha256,
        width=message.width,
        height=message.height,
        size=message.size_bytes,
    )


def to_uploaded(response: messages.UploadImagesResponse) -> Uploaded:
    return Uploaded(
        added=response.added_count,
        duplicates=response.duplicate_count,
        broken=_to_broken(response.broken_files),
        broken_count=response.broken_count,
    )


def to_annotated(response: messages.UploadAnnotationsResponse) -> Annotated:
    return Annotated(
        annotations=response.annotation_count,
        attention_maps=response.attention_map_count,
        duplicates=response.duplicate_count,
        broken=_to_broken(response.broken_files),
        broken_count=response.broken_count,
    )


def response_of(operation: Operation, response: M) -> tuple[JobInfo, M]:
    """The job, and its response of that kind. Raises as Reading, and ServerFault for a response of another kind."""
    info = success_of(operation)
    if not operation.response.Unpack(response):
        raise unknown_response(operation)
    return info, response


def to_imported(operation: Operation) -> Ending[Imported]:
    _, response = response_of(operation, messages.ImportImagesResponse())
    imported = Imported(response.added_count, response.duplicate_count, response.broken_count)
    return Ending((), lambda _: imported)


def to_indexed(operation: Operation) -> Ending[CollectionIndex]:
    _, response = response_of(operation, messages.IndexCollectionResponse())
    index = replace(to_index(response.index), indexed_count=response.indexed_count)
    return Ending((), lambda _: index)


def to_map(operation: Operation) -> Ending[CollectionMap]:
    info, response = response_of(operation, messages.ProjectCollectionResponse())
    names = {COORDINATES: response.coordinates, PICTURE: response.picture, PAGE: response.page}
    files = {name: info.artifact(short_name(resource)) for name, resource in names.items()}

    def made(contents: Mapping[str, bytes]) -> CollectionMap:
        found = {name: contents[file.name] for name, file in files.items()}
        return CollectionMap(info, response.collection, response.index, response.image_count, found)

    return Ending(tuple(files.values()), made)


def _to_broken(files: Iterable[messages.BrokenFile]) -> tuple[BrokenFile, ...]:
    return tuple(BrokenFile(one.name, one.message) for one in files)


def _time(message: Any, field: str) -> datetime | None:
    return to_time(getattr(message, field)) if message.HasField(field) else None
