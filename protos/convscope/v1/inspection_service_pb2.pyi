from convscope.v1 import image_pb2 as _image_pb2
from convscope.v1 import prediction_pb2 as _prediction_pb2
from convscope.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Normalization(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NORMALIZATION_UNSPECIFIED: _ClassVar[Normalization]
    NORMALIZATION_EACH: _ClassVar[Normalization]
    NORMALIZATION_COMMON: _ClassVar[Normalization]

class NeighborSpace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NEIGHBOR_SPACE_UNSPECIFIED: _ClassVar[NeighborSpace]
    NEIGHBOR_SPACE_FEATURES: _ClassVar[NeighborSpace]
    NEIGHBOR_SPACE_PIXELS: _ClassVar[NeighborSpace]

class NeighborMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NEIGHBOR_METRIC_UNSPECIFIED: _ClassVar[NeighborMetric]
    NEIGHBOR_METRIC_L2: _ClassVar[NeighborMetric]
    NEIGHBOR_METRIC_COSINE: _ClassVar[NeighborMetric]
    NEIGHBOR_METRIC_INNER_PRODUCT: _ClassVar[NeighborMetric]
NORMALIZATION_UNSPECIFIED: Normalization
NORMALIZATION_EACH: Normalization
NORMALIZATION_COMMON: Normalization
NEIGHBOR_SPACE_UNSPECIFIED: NeighborSpace
NEIGHBOR_SPACE_FEATURES: NeighborSpace
NEIGHBOR_SPACE_PIXELS: NeighborSpace
NEIGHBOR_METRIC_UNSPECIFIED: NeighborMetric
NEIGHBOR_METRIC_L2: NeighborMetric
NEIGHBOR_METRIC_COSINE: NeighborMetric
NEIGHBOR_METRIC_INNER_PRODUCT: NeighborMetric

class Grid(_message.Message):
    __slots__ = ("normalization", "colormap")
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    COLORMAP_FIELD_NUMBER: _ClassVar[int]
    normalization: Normalization
    colormap: str
    def __init__(self, normalization: _Optional[_Union[Normalization, str]] = ..., colormap: _Optional[str] = ...) -> None: ...

class GetFiltersRequest(_message.Message):
    __slots__ = ("model", "layer", "outputs", "inputs", "data_type", "grid")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    model: str
    layer: str
    outputs: _containers.RepeatedScalarFieldContainer[int]
    inputs: _containers.RepeatedScalarFieldContainer[int]
    data_type: _tensor_pb2.DataType
    grid: Grid
    def __init__(self, model: _Optional[str] = ..., layer: _Optional[str] = ..., outputs: _Optional[_Iterable[int]] = ..., inputs: _Optional[_Iterable[int]] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., grid: _Optional[_Union[Grid, _Mapping]] = ...) -> None: ...

class GetFiltersResponse(_message.Message):
    __slots__ = ("weights", "outputs", "inputs", "groups", "grid", "output_count", "input_count")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    weights: _tensor_pb2.Tensor
    outputs: _containers.RepeatedScalarFieldContainer[int]
    inputs: _containers.RepeatedScalarFieldContainer[int]
    groups: int
    grid: bytes
    output_count: int
    input_count: int
    def __init__(self, weights: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., outputs: _Optional[_Iterable[int]] = ..., inputs: _Optional[_Iterable[int]] = ..., groups: _Optional[int] = ..., grid: _Optional[bytes] = ..., output_count: _Optional[int] = ..., input_count: _Optional[int] = ...) -> None: ...

class GetActivationsRequest(_message.Message):
    __slots__ = ("model", "image", "layers", "channels", "order", "limit", "data_type", "top_k", "grid")
    class Order(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ORDER_UNSPECIFIED: _ClassVar[GetActivationsRequest.Order]
        ORDER_INDEX: _ClassVar[GetActivationsRequest.Order]
        ORDER_MAXIMUM: _ClassVar[GetActivationsRequest.Order]
        ORDER_MEAN: _ClassVar[GetActivationsRequest.Order]
    ORDER_UNSPECIFIED: GetActivationsRequest.Order
    ORDER_INDEX: GetActivationsRequest.Order
    ORDER_MAXIMUM: GetActivationsRequest.Order
    ORDER_MEAN: GetActivationsRequest.Order
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    layers: _containers.RepeatedScalarFieldContainer[str]
    channels: _containers.RepeatedScalarFieldContainer[int]
    order: GetActivationsRequest.Order
    limit: int
    data_type: _tensor_pb2.DataType
    top_k: int
    grid: Grid
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., layers: _Optional[_Iterable[str]] = ..., channels: _Optional[_Iterable[int]] = ..., order: _Optional[_Union[GetActivationsRequest.Order, str]] = ..., limit: _Optional[int] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., top_k: _Optional[int] = ..., grid: _Optional[_Union[Grid, _Mapping]] = ...) -> None: ...

class Activation(_message.Message):
    __slots__ = ("layer", "values", "channels", "channel_count", "grid")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    layer: str
    values: _tensor_pb2.Tensor
    channels: _containers.RepeatedScalarFieldContainer[int]
    channel_count: int
    grid: bytes
    def __init__(self, layer: _Optional[str] = ..., values: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., channels: _Optional[_Iterable[int]] = ..., channel_count: _Optional[int] = ..., grid: _Optional[bytes] = ...) -> None: ...

class GetActivationsResponse(_message.Message):
    __slots__ = ("activations", "predictions", "region")
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    activations: _containers.RepeatedCompositeFieldContainer[Activation]
    predictions: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    region: _image_pb2.Region
    def __init__(self, activations: _Optional[_Iterable[_Union[Activation, _Mapping]]] = ..., predictions: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("model", "images", "layer")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    model: str
    images: _containers.RepeatedCompositeFieldContainer[_image_pb2.Image]
    layer: str
    def __init__(self, model: _Optional[str] = ..., images: _Optional[_Iterable[_Union[_image_pb2.Image, _Mapping]]] = ..., layer: _Optional[str] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("embeddings", "layer")
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    embeddings: _tensor_pb2.Tensor
    layer: str
    def __init__(self, embeddings: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., layer: _Optional[str] = ...) -> None: ...

class FindPatchesRequest(_message.Message):
    __slots__ = ("collection", "model", "layer", "channel", "k", "several_per_image", "crops", "row", "column")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    SEVERAL_PER_IMAGE_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    layer: str
    channel: int
    k: int
    several_per_image: bool
    crops: bool
    row: int
    column: int
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., layer: _Optional[str] = ..., channel: _Optional[int] = ..., k: _Optional[int] = ..., several_per_image: bool = ..., crops: bool = ..., row: _Optional[int] = ..., column: _Optional[int] = ...) -> None: ...

class Patch(_message.Message):
    __slots__ = ("number", "file_name", "activation", "row", "column", "region", "input_region", "crop")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    INPUT_REGION_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    number: int
    file_name: str
    activation: float
    row: int
    column: int
    region: _image_pb2.Region
    input_region: _image_pb2.Region
    crop: bytes
    def __init__(self, number: _Optional[int] = ..., file_name: _Optional[str] = ..., activation: _Optional[float] = ..., row: _Optional[int] = ..., column: _Optional[int] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ..., input_region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ..., crop: _Optional[bytes] = ...) -> None: ...

class FindPatchesResponse(_message.Message):
    __slots__ = ("patches", "exact", "index", "image_count")
    PATCHES_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    patches: _containers.RepeatedCompositeFieldContainer[Patch]
    exact: bool
    index: str
    image_count: int
    def __init__(self, patches: _Optional[_Iterable[_Union[Patch, _Mapping]]] = ..., exact: bool = ..., index: _Optional[str] = ..., image_count: _Optional[int] = ...) -> None: ...

class FindNeighborsRequest(_message.Message):
    __slots__ = ("collection", "model", "image", "number", "k", "space", "metric", "embedding_layer", "thumbnails")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_LAYER_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    image: _image_pb2.Image
    number: int
    k: int
    space: NeighborSpace
    metric: NeighborMetric
    embedding_layer: str
    thumbnails: bool
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., number: _Optional[int] = ..., k: _Optional[int] = ..., space: _Optional[_Union[NeighborSpace, str]] = ..., metric: _Optional[_Union[NeighborMetric, str]] = ..., embedding_layer: _Optional[str] = ..., thumbnails: bool = ...) -> None: ...

class Neighbor(_message.Message):
    __slots__ = ("number", "file_name", "distance", "prediction", "thumbnail")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    number: int
    file_name: str
    distance: float
    prediction: _prediction_pb2.Prediction
    thumbnail: bytes
    def __init__(self, number: _Optional[int] = ..., file_name: _Optional[str] = ..., distance: _Optional[float] = ..., prediction: _Optional[_Union[_prediction_pb2.Prediction, _Mapping]] = ..., thumbnail: _Optional[bytes] = ...) -> None: ...

class FindNeighborsResponse(_message.Message):
    __slots__ = ("neighbors", "index", "image_count")
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    neighbors: _containers.RepeatedCompositeFieldContainer[Neighbor]
    index: str
    image_count: int
    def __init__(self, neighbors: _Optional[_Iterable[_Union[Neighbor, _Mapping]]] = ..., index: _Optional[str] = ..., image_count: _Optional[int] = ...) -> None: ...
