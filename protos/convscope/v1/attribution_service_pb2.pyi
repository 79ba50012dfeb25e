from convscope.v1 import image_pb2 as _image_pb2
from convscope.v1 import method_pb2 as _method_pb2
from convscope.v1 import prediction_pb2 as _prediction_pb2
from convscope.v1 import segmentation_pb2 as _segmentation_pb2
from convscope.v1 import target_pb2 as _target_pb2
from convscope.v1 import tensor_pb2 as _tensor_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Precision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRECISION_UNSPECIFIED: _ClassVar[Precision]
    PRECISION_FLOAT32: _ClassVar[Precision]
    PRECISION_BFLOAT16: _ClassVar[Precision]

class Reduction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REDUCTION_UNSPECIFIED: _ClassVar[Reduction]
    REDUCTION_SUM: _ClassVar[Reduction]
    REDUCTION_LARGEST: _ClassVar[Reduction]
PRECISION_UNSPECIFIED: Precision
PRECISION_FLOAT32: Precision
PRECISION_BFLOAT16: Precision
REDUCTION_UNSPECIFIED: Reduction
REDUCTION_SUM: Reduction
REDUCTION_LARGEST: Reduction

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
    __slots__ = ("model", "image", "target", "method", "data_type", "top_k", "heatmap", "overlay", "precision")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    target: _target_pb2.Target
    method: _method_pb2.Method
    data_type: _tensor_pb2.DataType
    top_k: int
    heatmap: bool
    overlay: Overlay
    precision: Precision
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., method: _Optional[_Union[_method_pb2.Method, _Mapping]] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., top_k: _Optional[int] = ..., heatmap: bool = ..., overlay: _Optional[_Union[Overlay, _Mapping]] = ..., precision: _Optional[_Union[Precision, str]] = ...) -> None: ...

class AttributeResponse(_message.Message):
    __slots__ = ("attribution", "heatmap", "target", "predictions", "region", "layer", "input_height", "input_width", "overlay", "cached", "precision", "target_name", "explained", "convergence_error", "reduction", "segmentation", "sentence")
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
    TARGET_NAME_FIELD_NUMBER: _ClassVar[int]
    EXPLAINED_FIELD_NUMBER: _ClassVar[int]
    CONVERGENCE_ERROR_FIELD_NUMBER: _ClassVar[int]
    REDUCTION_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
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
    precision: Precision
    target_name: str
    explained: float
    convergence_error: float
    reduction: Reduction
    segmentation: _segmentation_pb2.Segmentation
    sentence: str
    def __init__(self, attribution: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., heatmap: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., target: _Optional[_Union[_prediction_pb2.Prediction, _Mapping]] = ..., predictions: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ..., layer: _Optional[str] = ..., input_height: _Optional[int] = ..., input_width: _Optional[int] = ..., overlay: _Optional[bytes] = ..., cached: bool = ..., precision: _Optional[_Union[Precision, str]] = ..., target_name: _Optional[str] = ..., explained: _Optional[float] = ..., convergence_error: _Optional[float] = ..., reduction: _Optional[_Union[Reduction, str]] = ..., segmentation: _Optional[_Union[_segmentation_pb2.Segmentation, _Mapping]] = ..., sentence: _Optional[str] = ...) -> None: ...

class AttributeStreamRequest(_message.Message):
    __slots__ = ("id", "request", "progress")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    request: AttributeRequest
    progress: bool
    def __init__(self, id: _Optional[str] = ..., request: _Optional[_Union[AttributeRequest, _Mapping]] = ..., progress: bool = ...) -> None: ...

class AttributeProgress(_message.Message):
    __slots__ = ("done", "total")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class AttributeStreamResponse(_message.Message):
    __slots__ = ("id", "response", "error", "progress")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    response: AttributeResponse
    error: _status_pb2.Status
    progress: AttributeProgress
    def __init__(self, id: _Optional[str] = ..., response: _Optional[_Union[AttributeResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., progress: _Optional[_Union[AttributeProgress, _Mapping]] = ...) -> None: ...

class Variant(_message.Message):
    __slots__ = ("method", "target")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    method: _method_pb2.Method
    target: _target_pb2.Target
    def __init__(self, method: _Optional[_Union[_method_pb2.Method, _Mapping]] = ..., target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ...) -> None: ...

class CompareRequest(_message.Message):
    __slots__ = ("model", "image", "variants", "data_type", "top_k", "heatmap", "overlay", "precision", "contact_sheet")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SHEET_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    variants: _containers.RepeatedCompositeFieldContainer[Variant]
    data_type: _tensor_pb2.DataType
    top_k: int
    heatmap: bool
    overlay: Overlay
    precision: Precision
    contact_sheet: Overlay
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., variants: _Optional[_Iterable[_Union[Variant, _Mapping]]] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., top_k: _Optional[int] = ..., heatmap: bool = ..., overlay: _Optional[_Union[Overlay, _Mapping]] = ..., precision: _Optional[_Union[Precision, str]] = ..., contact_sheet: _Optional[_Union[Overlay, _Mapping]] = ...) -> None: ...

class CompareResponse(_message.Message):
    __slots__ = ("attributions", "contact_sheet")
    ATTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SHEET_FIELD_NUMBER: _ClassVar[int]
    attributions: _containers.RepeatedCompositeFieldContainer[AttributeResponse]
    contact_sheet: bytes
    def __init__(self, attributions: _Optional[_Iterable[_Union[AttributeResponse, _Mapping]]] = ..., contact_sheet: _Optional[bytes] = ...) -> None: ...

class AnalyzeFailureRequest(_message.Message):
    __slots__ = ("model", "image", "truth", "method", "data_type", "top_k", "heatmap", "precision", "contact_sheet")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SHEET_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    truth: _target_pb2.ClassReference
    method: _method_pb2.Method
    data_type: _tensor_pb2.DataType
    top_k: int
    heatmap: bool
    precision: Precision
    contact_sheet: Overlay
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., truth: _Optional[_Union[_target_pb2.ClassReference, _Mapping]] = ..., method: _Optional[_Union[_method_pb2.Method, _Mapping]] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., top_k: _Optional[int] = ..., heatmap: bool = ..., precision: _Optional[_Union[Precision, str]] = ..., contact_sheet: _Optional[_Union[Overlay, _Mapping]] = ...) -> None: ...

class AnalyzeFailureResponse(_message.Message):
    __slots__ = ("correct", "said", "truth", "contact_sheet")
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    SAID_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SHEET_FIELD_NUMBER: _ClassVar[int]
    correct: bool
    said: AttributeResponse
    truth: AttributeResponse
    contact_sheet: bytes
    def __init__(self, correct: bool = ..., said: _Optional[_Union[AttributeResponse, _Mapping]] = ..., truth: _Optional[_Union[AttributeResponse, _Mapping]] = ..., contact_sheet: _Optional[bytes] = ...) -> None: ...

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

class CaptionRequest(_message.Message):
    __slots__ = ("model", "image", "beams")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    BEAMS_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    beams: int
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., beams: _Optional[int] = ...) -> None: ...

class CaptionResponse(_message.Message):
    __slots__ = ("text", "words", "log_probability", "region")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    text: str
    words: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    log_probability: float
    region: _image_pb2.Region
    def __init__(self, text: _Optional[str] = ..., words: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., log_probability: _Optional[float] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ...) -> None: ...

class AnswerRequest(_message.Message):
    __slots__ = ("model", "image", "question", "top_k")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    question: str
    top_k: int
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., question: _Optional[str] = ..., top_k: _Optional[int] = ...) -> None: ...

class AnswerResponse(_message.Message):
    __slots__ = ("predictions", "region")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    region: _image_pb2.Region
    def __init__(self, predictions: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., region: _Optional[_Union[_image_pb2.Region, _Mapping]] = ...) -> None: ...

class AttributeCaptionRequest(_message.Message):
    __slots__ = ("model", "image", "text", "beams", "method", "data_type", "heatmap", "overlay", "contact_sheet")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BEAMS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    OVERLAY_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SHEET_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    text: str
    beams: int
    method: _method_pb2.Method
    data_type: _tensor_pb2.DataType
    heatmap: bool
    overlay: Overlay
    contact_sheet: Overlay
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., text: _Optional[str] = ..., beams: _Optional[int] = ..., method: _Optional[_Union[_method_pb2.Method, _Mapping]] = ..., data_type: _Optional[_Union[_tensor_pb2.DataType, str]] = ..., heatmap: bool = ..., overlay: _Optional[_Union[Overlay, _Mapping]] = ..., contact_sheet: _Optional[_Union[Overlay, _Mapping]] = ...) -> None: ...

class AttributeCaptionResponse(_message.Message):
    __slots__ = ("text", "attributions", "contact_sheet")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SHEET_FIELD_NUMBER: _ClassVar[int]
    text: str
    attributions: _containers.RepeatedCompositeFieldContainer[AttributeResponse]
    contact_sheet: bytes
    def __init__(self, text: _Optional[str] = ..., attributions: _Optional[_Iterable[_Union[AttributeResponse, _Mapping]]] = ..., contact_sheet: _Optional[bytes] = ...) -> None: ...
