from convscope.v1 import model_service_pb2 as _model_service_pb2
from convscope.v1 import synthesis_service_pb2 as _synthesis_service_pb2
from convscope.v1 import target_pb2 as _target_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProjectionMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROJECTION_METHOD_UNSPECIFIED: _ClassVar[ProjectionMethod]
    PROJECTION_METHOD_TSNE: _ClassVar[ProjectionMethod]
    PROJECTION_METHOD_PCA: _ClassVar[ProjectionMethod]
PROJECTION_METHOD_UNSPECIFIED: ProjectionMethod
PROJECTION_METHOD_TSNE: ProjectionMethod
PROJECTION_METHOD_PCA: ProjectionMethod

class Collection(_message.Message):
    __slots__ = ("name", "display_name", "create_time", "image_count", "size_bytes", "duplicate_count", "broken_count", "broken_files", "indexes", "jobs", "annotation_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BROKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FILES_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    create_time: _timestamp_pb2.Timestamp
    image_count: int
    size_bytes: int
    duplicate_count: int
    broken_count: int
    broken_files: _containers.RepeatedCompositeFieldContainer[BrokenFile]
    indexes: _containers.RepeatedCompositeFieldContainer[CollectionIndex]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    annotation_count: int
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., image_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., broken_count: _Optional[int] = ..., broken_files: _Optional[_Iterable[_Union[BrokenFile, _Mapping]]] = ..., indexes: _Optional[_Iterable[_Union[CollectionIndex, _Mapping]]] = ..., jobs: _Optional[_Iterable[str]] = ..., annotation_count: _Optional[int] = ...) -> None: ...

class BrokenFile(_message.Message):
    __slots__ = ("name", "message")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class CollectionIndex(_message.Message):
    __slots__ = ("id", "model", "weights_digest", "embedding_layer", "embedding_length", "layers", "patches_per_channel", "image_count", "size_bytes", "update_time", "neurons")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_LAYER_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    PATCHES_PER_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    weights_digest: str
    embedding_layer: str
    embedding_length: int
    layers: _containers.RepeatedScalarFieldContainer[str]
    patches_per_channel: int
    image_count: int
    size_bytes: int
    update_time: _timestamp_pb2.Timestamp
    neurons: bool
    def __init__(self, id: _Optional[str] = ..., model: _Optional[str] = ..., weights_digest: _Optional[str] = ..., embedding_layer: _Optional[str] = ..., embedding_length: _Optional[int] = ..., layers: _Optional[_Iterable[str]] = ..., patches_per_channel: _Optional[int] = ..., image_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., neurons: bool = ...) -> None: ...

class CollectionImage(_message.Message):
    __slots__ = ("number", "file_name", "sha256", "width", "height", "size_bytes")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    number: int
    file_name: str
    sha256: str
    width: int
    height: int
    size_bytes: int
    def __init__(self, number: _Optional[int] = ..., file_name: _Optional[str] = ..., sha256: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("display_name", "request_id")
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    request_id: str
    def __init__(self, display_name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class GetCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections", "next_page_token")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    next_page_token: str
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UploadImagesRequest(_message.Message):
    __slots__ = ("collection", "file_name", "content")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    file_name: str
    content: bytes
    def __init__(self, collection: _Optional[str] = ..., file_name: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class UploadImagesResponse(_message.Message):
    __slots__ = ("added_count", "duplicate_count", "broken_files", "broken_count")
    ADDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FILES_FIELD_NUMBER: _ClassVar[int]
    BROKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    added_count: int
    duplicate_count: int
    broken_files: _containers.RepeatedCompositeFieldContainer[BrokenFile]
    broken_count: int
    def __init__(self, added_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., broken_files: _Optional[_Iterable[_Union[BrokenFile, _Mapping]]] = ..., broken_count: _Optional[int] = ...) -> None: ...

class ListImagesRequest(_message.Message):
    __slots__ = ("collection", "page_size", "page_token")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    page_size: int
    page_token: str
    def __init__(self, collection: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("images", "next_page_token")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[CollectionImage]
    next_page_token: str
    def __init__(self, images: _Optional[_Iterable[_Union[CollectionImage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetImageRequest(_message.Message):
    __slots__ = ("collection", "number")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    collection: str
    number: int
    def __init__(self, collection: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class GetImageResponse(_message.Message):
    __slots__ = ("image", "content")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    image: CollectionImage
    content: bytes
    def __init__(self, image: _Optional[_Union[CollectionImage, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class Annotation(_message.Message):
    __slots__ = ("id", "image_number", "target", "masked", "attention_map_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MASKED_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_MAP_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    image_number: int
    target: _target_pb2.Target
    masked: bool
    attention_map_count: int
    def __init__(self, id: _Optional[str] = ..., image_number: _Optional[int] = ..., target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., masked: bool = ..., attention_map_count: _Optional[int] = ...) -> None: ...

class AttentionMap(_message.Message):
    __slots__ = ("annotator", "content")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    annotator: int
    content: bytes
    def __init__(self, annotator: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...

class NewAnnotation(_message.Message):
    __slots__ = ("id", "image_number", "file_name", "target", "mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    image_number: int
    file_name: str
    target: _target_pb2.Target
    mask: bytes
    def __init__(self, id: _Optional[str] = ..., image_number: _Optional[int] = ..., file_name: _Optional[str] = ..., target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., mask: _Optional[bytes] = ...) -> None: ...

class NewAttentionMap(_message.Message):
    __slots__ = ("file_name", "content")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    content: bytes
    def __init__(self, file_name: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class UploadAnnotationsRequest(_message.Message):
    __slots__ = ("collection", "annotation", "attention_map")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_MAP_FIELD_NUMBER: _ClassVar[int]
    collection: str
    annotation: NewAnnotation
    attention_map: NewAttentionMap
    def __init__(self, collection: _Optional[str] = ..., annotation: _Optional[_Union[NewAnnotation, _Mapping]] = ..., attention_map: _Optional[_Union[NewAttentionMap, _Mapping]] = ...) -> None: ...

class UploadAnnotationsResponse(_message.Message):
    __slots__ = ("annotation_count", "attention_map_count", "duplicate_count", "broken_files", "broken_count")
    ANNOTATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_MAP_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FILES_FIELD_NUMBER: _ClassVar[int]
    BROKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    annotation_count: int
    attention_map_count: int
    duplicate_count: int
    broken_files: _containers.RepeatedCompositeFieldContainer[BrokenFile]
    broken_count: int
    def __init__(self, annotation_count: _Optional[int] = ..., attention_map_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., broken_files: _Optional[_Iterable[_Union[BrokenFile, _Mapping]]] = ..., broken_count: _Optional[int] = ...) -> None: ...

class ListAnnotationsRequest(_message.Message):
    __slots__ = ("collection", "page_size", "page_token")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    page_size: int
    page_token: str
    def __init__(self, collection: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAnnotationsResponse(_message.Message):
    __slots__ = ("annotations", "next_page_token")
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    annotations: _containers.RepeatedCompositeFieldContainer[Annotation]
    next_page_token: str
    def __init__(self, annotations: _Optional[_Iterable[_Union[Annotation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetAnnotationRequest(_message.Message):
    __slots__ = ("collection", "id")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    id: str
    def __init__(self, collection: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class GetAnnotationResponse(_message.Message):
    __slots__ = ("annotation", "mask", "attention_maps")
    ANNOTATION_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_MAPS_FIELD_NUMBER: _ClassVar[int]
    annotation: Annotation
    mask: bytes
    attention_maps: _containers.RepeatedCompositeFieldContainer[AttentionMap]
    def __init__(self, annotation: _Optional[_Union[Annotation, _Mapping]] = ..., mask: _Optional[bytes] = ..., attention_maps: _Optional[_Iterable[_Union[AttentionMap, _Mapping]]] = ...) -> None: ...

class ShapesSource(_message.Message):
    __slots__ = ("task", "count", "seed")
    TASK_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    task: _model_service_pb2.ModelTask
    count: int
    seed: int
    def __init__(self, task: _Optional[_Union[_model_service_pb2.ModelTask, str]] = ..., count: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class ImportImagesRequest(_message.Message):
    __slots__ = ("collection", "url", "options", "shapes")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    collection: str
    url: str
    options: _synthesis_service_pb2.JobOptions
    shapes: ShapesSource
    def __init__(self, collection: _Optional[str] = ..., url: _Optional[str] = ..., options: _Optional[_Union[_synthesis_service_pb2.JobOptions, _Mapping]] = ..., shapes: _Optional[_Union[ShapesSource, _Mapping]] = ...) -> None: ...

class ImportImagesResponse(_message.Message):
    __slots__ = ("collection", "added_count", "duplicate_count", "broken_count")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ADDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BROKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    added_count: int
    duplicate_count: int
    broken_count: int
    def __init__(self, collection: _Optional[str] = ..., added_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., broken_count: _Optional[int] = ...) -> None: ...

class IndexCollectionRequest(_message.Message):
    __slots__ = ("collection", "model", "layers", "embedding_layer", "patches_per_channel", "options", "neurons")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_LAYER_FIELD_NUMBER: _ClassVar[int]
    PATCHES_PER_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    NEURONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    layers: _containers.RepeatedScalarFieldContainer[str]
    embedding_layer: str
    patches_per_channel: int
    options: _synthesis_service_pb2.JobOptions
    neurons: bool
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., layers: _Optional[_Iterable[str]] = ..., embedding_layer: _Optional[str] = ..., patches_per_channel: _Optional[int] = ..., options: _Optional[_Union[_synthesis_service_pb2.JobOptions, _Mapping]] = ..., neurons: bool = ...) -> None: ...

class IndexCollectionResponse(_message.Message):
    __slots__ = ("collection", "index", "indexed_count")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    INDEXED_COUNT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    index: CollectionIndex
    indexed_count: int
    def __init__(self, collection: _Optional[str] = ..., index: _Optional[_Union[CollectionIndex, _Mapping]] = ..., indexed_count: _Optional[int] = ...) -> None: ...

class ProjectCollectionRequest(_message.Message):
    __slots__ = ("collection", "index", "method", "perplexity", "metric", "seed", "onto", "options")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PERPLEXITY_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ONTO_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    index: str
    method: ProjectionMethod
    perplexity: float
    metric: str
    seed: int
    onto: str
    options: _synthesis_service_pb2.JobOptions
    def __init__(self, collection: _Optional[str] = ..., index: _Optional[str] = ..., method: _Optional[_Union[ProjectionMethod, str]] = ..., perplexity: _Optional[float] = ..., metric: _Optional[str] = ..., seed: _Optional[int] = ..., onto: _Optional[str] = ..., options: _Optional[_Union[_synthesis_service_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class ProjectCollectionResponse(_message.Message):
    __slots__ = ("collection", "index", "image_count", "coordinates", "picture", "page")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    COORDINATES_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    index: str
    image_count: int
    coordinates: str
    picture: str
    page: str
    def __init__(self, collection: _Optional[str] = ..., index: _Optional[str] = ..., image_count: _Optional[int] = ..., coordinates: _Optional[str] = ..., picture: _Optional[str] = ..., page: _Optional[str] = ...) -> None: ...
