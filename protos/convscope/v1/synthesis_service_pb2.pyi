from convscope.v1 import image_pb2 as _image_pb2
from convscope.v1 import target_pb2 as _target_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VisualizeClassRequest(_message.Message):
    __slots__ = ("model", "targets", "steps", "step_size", "l2", "momentum", "jitter", "blur", "normalized", "noise", "seed", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    L2_FIELD_NUMBER: _ClassVar[int]
    MOMENTUM_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    BLUR_FIELD_NUMBER: _ClassVar[int]
    NORMALIZED_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    targets: _containers.RepeatedCompositeFieldContainer[_target_pb2.ClassReference]
    steps: int
    step_size: float
    l2: float
    momentum: float
    jitter: int
    blur: float
    normalized: bool
    noise: float
    seed: int
    options: JobOptions
    def __init__(self, model: _Optional[str] = ..., targets: _Optional[_Iterable[_Union[_target_pb2.ClassReference, _Mapping]]] = ..., steps: _Optional[int] = ..., step_size: _Optional[float] = ..., l2: _Optional[float] = ..., momentum: _Optional[float] = ..., jitter: _Optional[int] = ..., blur: _Optional[float] = ..., normalized: bool = ..., noise: _Optional[float] = ..., seed: _Optional[int] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class VisualizeClassResponse(_message.Message):
    __slots__ = ("images",)
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[SynthesizedImage]
    def __init__(self, images: _Optional[_Iterable[_Union[SynthesizedImage, _Mapping]]] = ...) -> None: ...

class DeepDreamRequest(_message.Message):
    __slots__ = ("model", "image", "layer", "channels", "guide", "steps", "octaves", "octave_scale", "step_size", "jitter", "size", "seed", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    GUIDE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    OCTAVES_FIELD_NUMBER: _ClassVar[int]
    OCTAVE_SCALE_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    layer: str
    channels: _containers.RepeatedScalarFieldContainer[int]
    guide: _image_pb2.Image
    steps: int
    octaves: int
    octave_scale: float
    step_size: float
    jitter: int
    size: int
    seed: int
    options: JobOptions
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., layer: _Optional[str] = ..., channels: _Optional[_Iterable[int]] = ..., guide: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., steps: _Optional[int] = ..., octaves: _Optional[int] = ..., octave_scale: _Optional[float] = ..., step_size: _Optional[float] = ..., jitter: _Optional[int] = ..., size: _Optional[int] = ..., seed: _Optional[int] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class DeepDreamResponse(_message.Message):
    __slots__ = ("images", "layer")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[SynthesizedImage]
    layer: str
    def __init__(self, images: _Optional[_Iterable[_Union[SynthesizedImage, _Mapping]]] = ..., layer: _Optional[str] = ...) -> None: ...

class JobOptions(_message.Message):
    __slots__ = ("request_id", "priority", "preview_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    priority: int
    preview_seconds: float
    def __init__(self, request_id: _Optional[str] = ..., priority: _Optional[int] = ..., preview_seconds: _Optional[float] = ...) -> None: ...

class SynthesizedImage(_message.Message):
    __slots__ = ("artifact", "target", "label", "score")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    artifact: str
    target: _target_pb2.ClassReference
    label: str
    score: float
    def __init__(self, artifact: _Optional[str] = ..., target: _Optional[_Union[_target_pb2.ClassReference, _Mapping]] = ..., label: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...
