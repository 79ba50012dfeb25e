"""Collections to messages of the contract."""

from collections.abc import Mapping, Sequence
from typing import Any

from convscope.services.common.collections.collection import BrokenFile, Collection, IndexRecord, StoredImage
from convscope.services.common.resource_names import COLLECTIONS, JOBS, MODELS
from convscope.services.jobs.times import to_time
from convscope.v1 import collection_service_pb2 as messages


def to_collection(collection: Collection, jobs: Sequence[str]) -> messages.Collection:
    """jobs: those that work on it, by their ids."""
    return messages.Collection(
        name=COLLECTIONS + collection.id,
        display_name=collection.display_name,
        create_time=to_time(collection.created),
        image_count=collection.image_count,
        size_bytes=collection.size,
        duplicate_count=collection.duplicate_count,
        broken_count=collection.broken_count,
        broken_files=map(to_broken, collection.broken),
        indexes=map(to_index, collection.indexes),
        jobs=[JOBS + job for job in jobs],
        annotation_count=collection.annotation_count,
    )


def to_broken(file: BrokenFile) -> messages.BrokenFile:
    return messages.BrokenFile(name=file.name, message=file.message)


def to_index(index: IndexRecord) -> messages.CollectionIndex:
    return messages.CollectionIndex(
        id=index.id,
        model=MODELS + index.model,
        weights_digest=index.weights_digest,
        embedding_layer=index.embedding_layer,
        embedding_length=index.embedding_length,
        layers=index.layers,
        patches_per_channel=index.patches_per_channel,
        image_count=index.image_count,
        size_bytes=index.size,
        update_time=to_time(index.updated),
        neurons=index.neurons,
    )


def to_image(number: int, image: StoredImage) -> messages.CollectionImage:
    return messages.CollectionImage(
        number=number,
        file_name=image.file_name,
        sha256=image.sha256,
        width=image.width,
        height=image.height,
        size_bytes=image.size,
    )


def to_imported(result: Mapping[str, Any]) -> messages.ImportImagesResponse:
    """What an import has left."""
    return messages.ImportImagesResponse(
        collection=COLLECTIONS + result["collection"],
        added_count=result["added"],
        duplicate_count=result["duplicates"],
        broken_count=result["broken"],
    )


def to_indexed(result: Mapping[str, Any]) -> messages.IndexCollectionResponse:
    """What an indexing job has left."""
    return messages.IndexCollectionResponse(
        collection=COLLECTIONS + result["collection"],
        index=to_index(IndexRecord.read(result["index"])),
        indexed_count=result["indexed"],
    )
