from convscope.v1 import method_pb2 as _method_pb2
from convscope.v1 import synthesis_service_pb2 as _synthesis_service_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_POINTING_GAME: _ClassVar[Metric]
    METRIC_BOX_OVERLAP: _ClassVar[Metric]
    METRIC_ENERGY_INSIDE: _ClassVar[Metric]
    METRIC_INSERTION: _ClassVar[Metric]
    METRIC_DELETION: _ClassVar[Metric]
    METRIC_OCCLUSION_CORRELATION: _ClassVar[Metric]
    METRIC_INFIDELITY: _ClassVar[Metric]
    METRIC_MAX_SENSITIVITY: _ClassVar[Metric]
    METRIC_RANDOMIZATION: _ClassVar[Metric]
    METRIC_ATTENTION_CORRELATION: _ClassVar[Metric]

class AttentionSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTENTION_SOURCE_UNSPECIFIED: _ClassVar[AttentionSource]
    ATTENTION_SOURCE_PEOPLE: _ClassVar[AttentionSource]
    ATTENTION_SOURCE_TRUTH: _ClassVar[AttentionSource]
METRIC_UNSPECIFIED: Metric
METRIC_POINTING_GAME: Metric
METRIC_BOX_OVERLAP: Metric
METRIC_ENERGY_INSIDE: Metric
METRIC_INSERTION: Metric
METRIC_DELETION: Metric
METRIC_OCCLUSION_CORRELATION: Metric
METRIC_INFIDELITY: Metric
METRIC_MAX_SENSITIVITY: Metric
METRIC_RANDOMIZATION: Metric
METRIC_ATTENTION_CORRELATION: Metric
ATTENTION_SOURCE_UNSPECIFIED: AttentionSource
ATTENTION_SOURCE_PEOPLE: AttentionSource
ATTENTION_SOURCE_TRUTH: AttentionSource

class EvaluateMethodsRequest(_message.Message):
    __slots__ = ("collection", "model", "methods", "metrics", "limit", "seed", "tolerance", "curve_steps", "samples", "noise", "radius", "stages", "options")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    CURVE_STEPS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    methods: _containers.RepeatedCompositeFieldContainer[_method_pb2.Method]
    metrics: _containers.RepeatedScalarFieldContainer[Metric]
    limit: int
    seed: int
    tolerance: float
    curve_steps: int
    samples: int
    noise: float
    radius: float
    stages: int
    options: _synthesis_service_pb2.JobOptions
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., methods: _Optional[_Iterable[_Union[_method_pb2.Method, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[Metric, str]]] = ..., limit: _Optional[int] = ..., seed: _Optional[int] = ..., tolerance: _Optional[float] = ..., curve_steps: _Optional[int] = ..., samples: _Optional[int] = ..., noise: _Optional[float] = ..., radius: _Optional[float] = ..., stages: _Optional[int] = ..., options: _Optional[_Union[_synthesis_service_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("metric", "mean", "standard_error", "count")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STANDARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    metric: Metric
    mean: float
    standard_error: float
    count: int
    def __init__(self, metric: _Optional[_Union[Metric, str]] = ..., mean: _Optional[float] = ..., standard_error: _Optional[float] = ..., count: _Optional[int] = ...) -> None: ...

class MethodEvaluation(_message.Message):
    __slots__ = ("method", "estimates")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ESTIMATES_FIELD_NUMBER: _ClassVar[int]
    method: str
    estimates: _containers.RepeatedCompositeFieldContainer[Estimate]
    def __init__(self, method: _Optional[str] = ..., estimates: _Optional[_Iterable[_Union[Estimate, _Mapping]]] = ...) -> None: ...

class EvaluateMethodsResponse(_message.Message):
    __slots__ = ("collection", "example_count", "methods", "report", "page")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    example_count: int
    methods: _containers.RepeatedCompositeFieldContainer[MethodEvaluation]
    report: str
    page: str
    def __init__(self, collection: _Optional[str] = ..., example_count: _Optional[int] = ..., methods: _Optional[_Iterable[_Union[MethodEvaluation, _Mapping]]] = ..., report: _Optional[str] = ..., page: _Optional[str] = ...) -> None: ...

class EvaluateAttentionRequest(_message.Message):
    __slots__ = ("collection", "model", "methods", "limit", "seed", "options")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    model: str
    methods: _containers.RepeatedCompositeFieldContainer[_method_pb2.Method]
    limit: int
    seed: int
    options: _synthesis_service_pb2.JobOptions
    def __init__(self, collection: _Optional[str] = ..., model: _Optional[str] = ..., methods: _Optional[_Iterable[_Union[_method_pb2.Method, _Mapping]]] = ..., limit: _Optional[int] = ..., seed: _Optional[int] = ..., options: _Optional[_Union[_synthesis_service_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class EvaluateAttentionResponse(_message.Message):
    __slots__ = ("collection", "example_count", "source", "methods", "report", "page", "chart")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    CHART_FIELD_NUMBER: _ClassVar[int]
    collection: str
    example_count: int
    source: AttentionSource
    methods: _containers.RepeatedCompositeFieldContainer[MethodEvaluation]
    report: str
    page: str
    chart: str
    def __init__(self, collection: _Optional[str] = ..., example_count: _Optional[int] = ..., source: _Optional[_Union[AttentionSource, str]] = ..., methods: _Optional[_Iterable[_Union[MethodEvaluation, _Mapping]]] = ..., report: _Optional[str] = ..., page: _Optional[str] = ..., chart: _Optional[str] = ...) -> None: ...
