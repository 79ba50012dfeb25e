from convscope.v1 import image_pb2 as _image_pb2
from convscope.v1 import prediction_pb2 as _prediction_pb2
from convscope.v1 import tensor_pb2 as _tensor_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Target(_message.Message):
    __slots__ = ("class_index", "class_label")
    CLASS_INDEX_FIELD_NUMBER: _ClassVar[int]
    CLASS_LABEL_FIELD_NUMBER: _ClassVar[int]
    class_index: int
    class_label: str
    def __init__(self, class_index: _Optional[int] = ..., class_label: _Optional[str] = ...) -> None: ...

class SaliencyParameters(_message.Message):
    __slots__ = ("abs",)
    ABS_FIELD_NUMBER: _ClassVar[int]
    abs: bool
    def __init__(self, abs: bool = ...) -> None: ...

class GradCamParameters(_message.Message):
    __slots__ = ("layer", "relu")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ...) -> None: ...

class Overlay(_message.Message):
    __slots__ = ("format", "opacity", "colormap")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[Overlay.Format]
        FORMAT_PNG: _ClassVar[Overlay.Format]
        FORMAT_JPEG: _ClassVar[Overlay.Format]
    FORMAT_UNSPECIFIED: Overlay.Format
    FORMAT_PNG: Overlay.Format
    FORMAT_JPEG: Overlay.Format
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    OPACITY_FIELD_NUMBER: _ClassVar[int]
    COLORMAP_FIELD_NUMBER: _ClassVar[int]
    format: Overlay.Format
    opacity: float
    colormap: str
    def __init__(self, format: _Optional[_Union[Overlay.Format, str]] = ..., opacity: _Optional[float] = ..., colormap: _Optional[str] = ...) -> None: ...

class AttributeRequest(_message.Message):
    __slots__ = ("model", "image", "target", "saliency", "grad_cam", "data_type", "top_k", "heatmap", "overlay")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SALIENCY_FIELD_NUMBER: _ClassVar[int]
    GRAD_CAM_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    target: Target
    saliency: SaliencyParameters
    grad_cam: GradCamParameters
    data_type: _tensor_pb2.DataType
    top_k: int
    heatmap: bool
    overlay: Overlay
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., saliency: _Optional[_Union[SaliencyParameters, _Mapping]] = ..., grad_cam: _Optional[_Union[GradCamParameters, _Mapping]] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., top_k: _Optional[int] = ..., heatmap: bool = ..., overlay: _Optional[_Union[Overlay, _Mapping]] = ...) -> None: ...

class AttributeResponse(_message.Message):
    __slots__ = ("attribution", "heatmap", "target", "predictions", "region", "layer", "input_height", "input_width", "overlay", "cached", "precision")
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    INPUT_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    INPUT_WIDTH_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    attribution: _tensor_pb2.Tensor
    heatmap: _tensor_pb2.Tensor
    target: _prediction_pb2.Prediction
    predictions: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    region: _image_pb2.Region
    layer: str
    input_height: int
    input_width: int
    overlay: bytes
    cached: bool
    precision: str
    def __init__(self, attribution: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., heatmap: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., target: _Optional[_Union[_prediction_pb2.Prediction, _Mapping]] = ..., predictions: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ..., layer: _Optional[str] = ..., input_height: _Optional[int] = ..., input_width: _Optional[int] = ..., overlay: _Optional[bytes] = ..., cached: bool = ..., precision: _Optional[str] = ...) -> None: ...

class AttributeStreamRequest(_message.Message):
    __slots__ = ("id", "request")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    request: AttributeRequest
    def __init__(self, id: _Optional[str] = ..., request: _Optional[_Union[AttributeRequest, _Mapping]] = ...) -> None: ...

class AttributeStreamResponse(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    response: AttributeResponse
    error: _status_pb2.Status
    def __init__(self, id: _Optional[str] = ..., response: _Optional[_Union[AttributeResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("model", "image", "top_k")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    top_k: int
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., top_k: _Optional[int] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("predictions", "region")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    region: _image_pb2.Region
    def __init__(self, predictions: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ...) -> None: ...
