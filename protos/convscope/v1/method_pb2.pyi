from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(_message.Message):
    __slots__ = ("gradient", "saliency", "input_x_gradient", "deconvnet", "guided_backprop", "grad_cam", "guided_grad_cam", "grad_cam_plus_plus", "layer_cam", "x_grad_cam", "eigen_cam", "attention_rollout", "integrated_gradients", "deep_lift", "smooth_grad", "var_grad", "occlusion", "rise", "score_cam", "ablation_cam", "segment")
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    SALIENCY_FIELD_NUMBER: _ClassVar[int]
    INPUT_X_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    DECONVNET_FIELD_NUMBER: _ClassVar[int]
    GUIDED_BACKPROP_FIELD_NUMBER: _ClassVar[int]
    GRAD_CAM_FIELD_NUMBER: _ClassVar[int]
    GUIDED_GRAD_CAM_FIELD_NUMBER: _ClassVar[int]
    GRAD_CAM_PLUS_PLUS_FIELD_NUMBER: _ClassVar[int]
    LAYER_CAM_FIELD_NUMBER: _ClassVar[int]
    X_GRAD_CAM_FIELD_NUMBER: _ClassVar[int]
    EIGEN_CAM_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    INTEGRATED_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    DEEP_LIFT_FIELD_NUMBER: _ClassVar[int]
    SMOOTH_GRAD_FIELD_NUMBER: _ClassVar[int]
    VAR_GRAD_FIELD_NUMBER: _ClassVar[int]
    OCCLUSION_FIELD_NUMBER: _ClassVar[int]
    RISE_FIELD_NUMBER: _ClassVar[int]
    SCORE_CAM_FIELD_NUMBER: _ClassVar[int]
    ABLATION_CAM_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    gradient: GradientParameters
    saliency: SaliencyParameters
    input_x_gradient: InputXGradientParameters
    deconvnet: DeconvnetParameters
    guided_backprop: GuidedBackpropParameters
    grad_cam: GradCamParameters
    guided_grad_cam: GuidedGradCamParameters
    grad_cam_plus_plus: GradCamPlusPlusParameters
    layer_cam: LayerCamParameters
    x_grad_cam: XGradCamParameters
    eigen_cam: EigenCamParameters
    attention_rollout: AttentionRolloutParameters
    integrated_gradients: IntegratedGradientsParameters
    deep_lift: DeepLiftParameters
    smooth_grad: SmoothGradParameters
    var_grad: VarGradParameters
    occlusion: OcclusionParameters
    rise: RiseParameters
    score_cam: ScoreCamParameters
    ablation_cam: AblationCamParameters
    segment: SegmentParameters
    def __init__(self, gradient: _Optional[_Union[GradientParameters, _Mapping]] = ..., saliency: _Optional[_Union[SaliencyParameters, _Mapping]] = ..., input_x_gradient: _Optional[_Union[InputXGradientParameters, _Mapping]] = ..., deconvnet: _Optional[_Union[DeconvnetParameters, _Mapping]] = ..., guided_backprop: _Optional[_Union[GuidedBackpropParameters, _Mapping]] = ..., grad_cam: _Optional[_Union[GradCamParameters, _Mapping]] = ..., guided_grad_cam: _Optional[_Union[GuidedGradCamParameters, _Mapping]] = ..., grad_cam_plus_plus: _Optional[_Union[GradCamPlusPlusParameters, _Mapping]] = ..., layer_cam: _Optional[_Union[LayerCamParameters, _Mapping]] = ..., x_grad_cam: _Optional[_Union[XGradCamParameters, _Mapping]] = ..., eigen_cam: _Optional[_Union[EigenCamParameters, _Mapping]] = ..., attention_rollout: _Optional[_Union[AttentionRolloutParameters, _Mapping]] = ..., integrated_gradients: _Optional[_Union[IntegratedGradientsParameters, _Mapping]] = ..., deep_lift: _Optional[_Union[DeepLiftParameters, _Mapping]] = ..., smooth_grad: _Optional[_Union[SmoothGradParameters, _Mapping]] = ..., var_grad: _Optional[_Union[VarGradParameters, _Mapping]] = ..., occlusion: _Optional[_Union[OcclusionParameters, _Mapping]] = ..., rise: _Optional[_Union[RiseParameters, _Mapping]] = ..., score_cam: _Optional[_Union[ScoreCamParameters, _Mapping]] = ..., ablation_cam: _Optional[_Union[AblationCamParameters, _Mapping]] = ..., segment: _Optional[_Union[SegmentParameters, _Mapping]] = ...) -> None: ...

class GradientParameters(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SaliencyParameters(_message.Message):
    __slots__ = ("abs",)
    ABS_FIELD_NUMBER: _ClassVar[int]
    abs: bool
    def __init__(self, abs: bool = ...) -> None: ...

class InputXGradientParameters(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeconvnetParameters(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GuidedBackpropParameters(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GradCamParameters(_message.Message):
    __slots__ = ("layer", "relu", "counterfactual")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    COUNTERFACTUAL_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    counterfactual: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ..., counterfactual: bool = ...) -> None: ...

class GuidedGradCamParameters(_message.Message):
    __slots__ = ("layer",)
    LAYER_FIELD_NUMBER: _ClassVar[int]
    layer: str
    def __init__(self, layer: _Optional[str] = ...) -> None: ...

class GradCamPlusPlusParameters(_message.Message):
    __slots__ = ("layer", "relu")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ...) -> None: ...

class LayerCamParameters(_message.Message):
    __slots__ = ("layer", "relu")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ...) -> None: ...

class XGradCamParameters(_message.Message):
    __slots__ = ("layer", "relu")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ...) -> None: ...

class EigenCamParameters(_message.Message):
    __slots__ = ("layer", "relu")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ...) -> None: ...

class AttentionRolloutParameters(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class IntegratedGradientsParameters(_message.Message):
    __slots__ = ("fill", "fill_color", "steps")
    FILL_FIELD_NUMBER: _ClassVar[int]
    FILL_COLOR_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    fill: str
    fill_color: _containers.RepeatedScalarFieldContainer[float]
    steps: int
    def __init__(self, fill: _Optional[str] = ..., fill_color: _Optional[_Iterable[float]] = ..., steps: _Optional[int] = ...) -> None: ...

class DeepLiftParameters(_message.Message):
    __slots__ = ("fill", "fill_color")
    FILL_FIELD_NUMBER: _ClassVar[int]
    FILL_COLOR_FIELD_NUMBER: _ClassVar[int]
    fill: str
    fill_color: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, fill: _Optional[str] = ..., fill_color: _Optional[_Iterable[float]] = ...) -> None: ...

class SmoothGradParameters(_message.Message):
    __slots__ = ("base_method", "layer", "samples", "stdev", "seed")
    BASE_METHOD_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    STDEV_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    base_method: str
    layer: str
    samples: int
    stdev: float
    seed: int
    def __init__(self, base_method: _Optional[str] = ..., layer: _Optional[str] = ..., samples: _Optional[int] = ..., stdev: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class VarGradParameters(_message.Message):
    __slots__ = ("base_method", "layer", "samples", "stdev", "seed")
    BASE_METHOD_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    STDEV_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    base_method: str
    layer: str
    samples: int
    stdev: float
    seed: int
    def __init__(self, base_method: _Optional[str] = ..., layer: _Optional[str] = ..., samples: _Optional[int] = ..., stdev: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class OcclusionParameters(_message.Message):
    __slots__ = ("fill", "fill_color", "window", "stride")
    FILL_FIELD_NUMBER: _ClassVar[int]
    FILL_COLOR_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    fill: str
    fill_color: _containers.RepeatedScalarFieldContainer[float]
    window: int
    stride: int
    def __init__(self, fill: _Optional[str] = ..., fill_color: _Optional[_Iterable[float]] = ..., window: _Optional[int] = ..., stride: _Optional[int] = ...) -> None: ...

class RiseParameters(_message.Message):
    __slots__ = ("masks", "cells", "probability", "seed")
    MASKS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    masks: int
    cells: int
    probability: float
    seed: int
    def __init__(self, masks: _Optional[int] = ..., cells: _Optional[int] = ..., probability: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class ScoreCamParameters(_message.Message):
    __slots__ = ("layer", "relu", "masks")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    masks: int
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ..., masks: _Optional[int] = ...) -> None: ...

class AblationCamParameters(_message.Message):
    __slots__ = ("layer", "relu")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    RELU_FIELD_NUMBER: _ClassVar[int]
    layer: str
    relu: bool
    def __init__(self, layer: _Optional[str] = ..., relu: bool = ...) -> None: ...

class SegmentParameters(_message.Message):
    __slots__ = ("map", "layer", "foreground", "background", "iterations")
    MAP_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    FOREGROUND_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    map: str
    layer: str
    foreground: float
    background: float
    iterations: int
    def __init__(self, map: _Optional[str] = ..., layer: _Optional[str] = ..., foreground: _Optional[float] = ..., background: _Optional[float] = ..., iterations: _Optional[int] = ...) -> None: ...
