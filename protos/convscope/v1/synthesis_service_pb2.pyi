from convscope.v1 import image_pb2 as _image_pb2
from convscope.v1 import prediction_pb2 as _prediction_pb2
from convscope.v1 import target_pb2 as _target_pb2
from convscope.v1 import tensor_pb2 as _tensor_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VisualizeClassRequest(_message.Message):
    __slots__ = ("model", "targets", "recipe", "parameters", "image", "options", "prior", "examples")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    model: str
    targets: _containers.RepeatedCompositeFieldContainer[_target_pb2.ClassReference]
    recipe: str
    parameters: SynthesisParameters
    image: _image_pb2.Image
    options: JobOptions
    prior: str
    examples: DatasetExamples
    def __init__(self, model: _Optional[str] = ..., targets: _Optional[_Iterable[_Union[_target_pb2.ClassReference, _Mapping]]] = ..., recipe: _Optional[str] = ..., parameters: _Optional[_Union[SynthesisParameters, _Mapping]] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ..., prior: _Optional[str] = ..., examples: _Optional[_Union[DatasetExamples, _Mapping]] = ...) -> None: ...

class DatasetExamples(_message.Message):
    __slots__ = ("collection", "count", "start")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    collection: str
    count: int
    start: bool
    def __init__(self, collection: _Optional[str] = ..., count: _Optional[int] = ..., start: bool = ...) -> None: ...

class VisualizeClassResponse(_message.Message):
    __slots__ = ("images", "recipe", "chain", "examples")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[SynthesizedImage]
    recipe: str
    chain: str
    examples: str
    def __init__(self, images: _Optional[_Iterable[_Union[SynthesizedImage, _Mapping]]] = ..., recipe: _Optional[str] = ..., chain: _Optional[str] = ..., examples: _Optional[str] = ...) -> None: ...

class VisualizeChannelRequest(_message.Message):
    __slots__ = ("model", "units", "recipe", "parameters", "image", "options", "prior", "examples")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    model: str
    units: _containers.RepeatedCompositeFieldContainer[_target_pb2.Unit]
    recipe: str
    parameters: SynthesisParameters
    image: _image_pb2.Image
    options: JobOptions
    prior: str
    examples: DatasetExamples
    def __init__(self, model: _Optional[str] = ..., units: _Optional[_Iterable[_Union[_target_pb2.Unit, _Mapping]]] = ..., recipe: _Optional[str] = ..., parameters: _Optional[_Union[SynthesisParameters, _Mapping]] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ..., prior: _Optional[str] = ..., examples: _Optional[_Union[DatasetExamples, _Mapping]] = ...) -> None: ...

class VisualizeChannelResponse(_message.Message):
    __slots__ = ("images", "recipe", "chain", "examples")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[SynthesizedImage]
    recipe: str
    chain: str
    examples: str
    def __init__(self, images: _Optional[_Iterable[_Union[SynthesizedImage, _Mapping]]] = ..., recipe: _Optional[str] = ..., chain: _Optional[str] = ..., examples: _Optional[str] = ...) -> None: ...

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

class InvertFeaturesRequest(_message.Message):
    __slots__ = ("model", "image", "features", "layers", "all_layers", "recipe", "parameters", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    ALL_LAYERS_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    features: _tensor_pb2.Tensor
    layers: _containers.RepeatedScalarFieldContainer[str]
    all_layers: bool
    recipe: str
    parameters: SynthesisParameters
    options: JobOptions
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., features: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., layers: _Optional[_Iterable[str]] = ..., all_layers: bool = ..., recipe: _Optional[str] = ..., parameters: _Optional[_Union[SynthesisParameters, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class InvertFeaturesResponse(_message.Message):
    __slots__ = ("images", "recipe")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[SynthesizedImage]
    recipe: str
    def __init__(self, images: _Optional[_Iterable[_Union[SynthesizedImage, _Mapping]]] = ..., recipe: _Optional[str] = ...) -> None: ...

class CreateAdversarialRequest(_message.Message):
    __slots__ = ("model", "image", "target", "attack", "norm", "epsilon", "steps", "step_size", "restarts", "random_start", "confidence", "seed", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ATTACK_FIELD_NUMBER: _ClassVar[int]
    NORM_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    RANDOM_START_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    image: _image_pb2.Image
    target: _target_pb2.ClassReference
    attack: str
    norm: str
    epsilon: float
    steps: int
    step_size: float
    restarts: int
    random_start: bool
    confidence: float
    seed: int
    options: JobOptions
    def __init__(self, model: _Optional[str] = ..., image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., target: _Optional[_Union[_target_pb2.ClassReference, _Mapping]] = ..., attack: _Optional[str] = ..., norm: _Optional[str] = ..., epsilon: _Optional[float] = ..., steps: _Optional[int] = ..., step_size: _Optional[float] = ..., restarts: _Optional[int] = ..., random_start: bool = ..., confidence: _Optional[float] = ..., seed: _Optional[int] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class CreateAdversarialResponse(_message.Message):
    __slots__ = ("images", "fooled", "before", "after", "linf", "l2", "changed", "steps", "perturbation", "magnification")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    FOOLED_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LINF_FIELD_NUMBER: _ClassVar[int]
    L2_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PERTURBATION_FIELD_NUMBER: _ClassVar[int]
    MAGNIFICATION_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[SynthesizedImage]
    fooled: bool
    before: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    after: _containers.RepeatedCompositeFieldContainer[_prediction_pb2.Prediction]
    linf: float
    l2: float
    changed: float
    steps: int
    perturbation: str
    magnification: float
    def __init__(self, images: _Optional[_Iterable[_Union[SynthesizedImage, _Mapping]]] = ..., fooled: bool = ..., before: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., after: _Optional[_Iterable[_Union[_prediction_pb2.Prediction, _Mapping]]] = ..., linf: _Optional[float] = ..., l2: _Optional[float] = ..., changed: _Optional[float] = ..., steps: _Optional[int] = ..., perturbation: _Optional[str] = ..., magnification: _Optional[float] = ...) -> None: ...

class TrainPriorRequest(_message.Message):
    __slots__ = ("model", "layer", "collection", "training", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    layer: str
    collection: str
    training: PriorTraining
    options: JobOptions
    def __init__(self, model: _Optional[str] = ..., layer: _Optional[str] = ..., collection: _Optional[str] = ..., training: _Optional[_Union[PriorTraining, _Mapping]] = ..., options: _Optional[_Union[JobOptions, _Mapping]] = ...) -> None: ...

class PriorTraining(_message.Message):
    __slots__ = ("preset", "steps", "batch", "rate", "pixel_weight", "feature_weight", "adversarial_weight", "noise", "generator_noise", "seed")
    PRESET_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    PIXEL_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ADVERSARIAL_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_NOISE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    preset: str
    steps: int
    batch: int
    rate: float
    pixel_weight: float
    feature_weight: float
    adversarial_weight: float
    noise: float
    generator_noise: float
    seed: int
    def __init__(self, preset: _Optional[str] = ..., steps: _Optional[int] = ..., batch: _Optional[int] = ..., rate: _Optional[float] = ..., pixel_weight: _Optional[float] = ..., feature_weight: _Optional[float] = ..., adversarial_weight: _Optional[float] = ..., noise: _Optional[float] = ..., generator_noise: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class TrainPriorResponse(_message.Message):
    __slots__ = ("prior", "samples")
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    prior: Prior
    samples: str
    def __init__(self, prior: _Optional[_Union[Prior, _Mapping]] = ..., samples: _Optional[str] = ...) -> None: ...

class Prior(_message.Message):
    __slots__ = ("name", "model", "weights_digest", "layer", "code_shape", "height", "width", "training", "image_count", "held_out_count", "pixel_error", "feature_error", "denoising_error", "collection", "file", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    CODE_SHAPE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PIXEL_ERROR_FIELD_NUMBER: _ClassVar[int]
    FEATURE_ERROR_FIELD_NUMBER: _ClassVar[int]
    DENOISING_ERROR_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    weights_digest: str
    layer: str
    code_shape: _containers.RepeatedScalarFieldContainer[int]
    height: int
    width: int
    training: PriorTraining
    image_count: int
    held_out_count: int
    pixel_error: float
    feature_error: float
    denoising_error: float
    collection: str
    file: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., weights_digest: _Optional[str] = ..., layer: _Optional[str] = ..., code_shape: _Optional[_Iterable[int]] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., training: _Optional[_Union[PriorTraining, _Mapping]] = ..., image_count: _Optional[int] = ..., held_out_count: _Optional[int] = ..., pixel_error: _Optional[float] = ..., feature_error: _Optional[float] = ..., denoising_error: _Optional[float] = ..., collection: _Optional[str] = ..., file: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListPriorsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPriorsResponse(_message.Message):
    __slots__ = ("priors", "next_page_token")
    PRIORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    priors: _containers.RepeatedCompositeFieldContainer[Prior]
    next_page_token: str
    def __init__(self, priors: _Optional[_Iterable[_Union[Prior, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetPriorRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetPriorResponse(_message.Message):
    __slots__ = ("prior",)
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    prior: Prior
    def __init__(self, prior: _Optional[_Union[Prior, _Mapping]] = ...) -> None: ...

class ListRecipesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRecipesResponse(_message.Message):
    __slots__ = ("recipes",)
    RECIPES_FIELD_NUMBER: _ClassVar[int]
    recipes: _containers.RepeatedCompositeFieldContainer[Recipe]
    def __init__(self, recipes: _Optional[_Iterable[_Union[Recipe, _Mapping]]] = ...) -> None: ...

class Recipe(_message.Message):
    __slots__ = ("name", "purpose", "system", "source", "summary", "additions", "parameters")
    class Addition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ADDITION_UNSPECIFIED: _ClassVar[Recipe.Addition]
        ADDITION_FREQUENCY_PENALIZATION: _ClassVar[Recipe.Addition]
        ADDITION_TRANSFORMATION_ROBUSTNESS: _ClassVar[Recipe.Addition]
        ADDITION_LEARNED_PRIOR: _ClassVar[Recipe.Addition]
        ADDITION_DATASET_EXAMPLES: _ClassVar[Recipe.Addition]
    ADDITION_UNSPECIFIED: Recipe.Addition
    ADDITION_FREQUENCY_PENALIZATION: Recipe.Addition
    ADDITION_TRANSFORMATION_ROBUSTNESS: Recipe.Addition
    ADDITION_LEARNED_PRIOR: Recipe.Addition
    ADDITION_DATASET_EXAMPLES: Recipe.Addition
    class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PURPOSE_UNSPECIFIED: _ClassVar[Recipe.Purpose]
        PURPOSE_VISUALIZATION: _ClassVar[Recipe.Purpose]
        PURPOSE_INVERSION: _ClassVar[Recipe.Purpose]
    PURPOSE_UNSPECIFIED: Recipe.Purpose
    PURPOSE_VISUALIZATION: Recipe.Purpose
    PURPOSE_INVERSION: Recipe.Purpose
    NAME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    ADDITIONS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    purpose: Recipe.Purpose
    system: str
    source: str
    summary: str
    additions: _containers.RepeatedScalarFieldContainer[Recipe.Addition]
    parameters: SynthesisParameters
    def __init__(self, name: _Optional[str] = ..., purpose: _Optional[_Union[Recipe.Purpose, str]] = ..., system: _Optional[str] = ..., source: _Optional[str] = ..., summary: _Optional[str] = ..., additions: _Optional[_Iterable[_Union[Recipe.Addition, str]]] = ..., parameters: _Optional[_Union[SynthesisParameters, _Mapping]] = ...) -> None: ...

class SynthesisParameters(_message.Message):
    __slots__ = ("parameterization", "size", "noise", "brightness", "bounded", "output", "copies", "diversity", "optimizer", "steps", "step_size", "final_step_size", "momentum", "population", "normalization", "gradient_blur", "laplacian_levels", "denoising", "denoiser", "wandering", "final_noise", "cycles", "chain_every", "redirected_relu_steps", "pad", "jitter", "scaling", "rotation", "jitter_after", "window", "l2", "alpha", "alpha_weight", "tv_beta", "tv_weight", "start_l2", "decay", "fixed_norm", "blur", "final_blur", "blur_every", "bilateral", "bilateral_color", "bilateral_space", "median", "drop_norm", "drop_contribution", "stages", "seed")
    PARAMETERIZATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    BRIGHTNESS_FIELD_NUMBER: _ClassVar[int]
    BOUNDED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    FINAL_STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    MOMENTUM_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_BLUR_FIELD_NUMBER: _ClassVar[int]
    LAPLACIAN_LEVELS_FIELD_NUMBER: _ClassVar[int]
    DENOISING_FIELD_NUMBER: _ClassVar[int]
    DENOISER_FIELD_NUMBER: _ClassVar[int]
    WANDERING_FIELD_NUMBER: _ClassVar[int]
    FINAL_NOISE_FIELD_NUMBER: _ClassVar[int]
    CYCLES_FIELD_NUMBER: _ClassVar[int]
    CHAIN_EVERY_FIELD_NUMBER: _ClassVar[int]
    REDIRECTED_RELU_STEPS_FIELD_NUMBER: _ClassVar[int]
    PAD_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    SCALING_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    JITTER_AFTER_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    L2_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    ALPHA_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TV_BETA_FIELD_NUMBER: _ClassVar[int]
    TV_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    START_L2_FIELD_NUMBER: _ClassVar[int]
    DECAY_FIELD_NUMBER: _ClassVar[int]
    FIXED_NORM_FIELD_NUMBER: _ClassVar[int]
    BLUR_FIELD_NUMBER: _ClassVar[int]
    FINAL_BLUR_FIELD_NUMBER: _ClassVar[int]
    BLUR_EVERY_FIELD_NUMBER: _ClassVar[int]
    BILATERAL_FIELD_NUMBER: _ClassVar[int]
    BILATERAL_COLOR_FIELD_NUMBER: _ClassVar[int]
    BILATERAL_SPACE_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    DROP_NORM_FIELD_NUMBER: _ClassVar[int]
    DROP_CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    parameterization: str
    size: int
    noise: float
    brightness: float
    bounded: bool
    output: str
    copies: int
    diversity: float
    optimizer: str
    steps: int
    step_size: float
    final_step_size: float
    momentum: float
    population: int
    normalization: str
    gradient_blur: float
    laplacian_levels: int
    denoising: float
    denoiser: str
    wandering: float
    final_noise: float
    cycles: int
    chain_every: int
    redirected_relu_steps: int
    pad: int
    jitter: int
    scaling: float
    rotation: float
    jitter_after: int
    window: bool
    l2: float
    alpha: float
    alpha_weight: float
    tv_beta: float
    tv_weight: float
    start_l2: float
    decay: float
    fixed_norm: float
    blur: float
    final_blur: float
    blur_every: int
    bilateral: int
    bilateral_color: float
    bilateral_space: float
    median: int
    drop_norm: float
    drop_contribution: float
    stages: _containers.RepeatedCompositeFieldContainer[SynthesisStage]
    seed: int
    def __init__(self, parameterization: _Optional[str] = ..., size: _Optional[int] = ..., noise: _Optional[float] = ..., brightness: _Optional[float] = ..., bounded: bool = ..., output: _Optional[str] = ..., copies: _Optional[int] = ..., diversity: _Optional[float] = ..., optimizer: _Optional[str] = ..., steps: _Optional[int] = ..., step_size: _Optional[float] = ..., final_step_size: _Optional[float] = ..., momentum: _Optional[float] = ..., population: _Optional[int] = ..., normalization: _Optional[str] = ..., gradient_blur: _Optional[float] = ..., laplacian_levels: _Optional[int] = ..., denoising: _Optional[float] = ..., denoiser: _Optional[str] = ..., wandering: _Optional[float] = ..., final_noise: _Optional[float] = ..., cycles: _Optional[int] = ..., chain_every: _Optional[int] = ..., redirected_relu_steps: _Optional[int] = ..., pad: _Optional[int] = ..., jitter: _Optional[int] = ..., scaling: _Optional[float] = ..., rotation: _Optional[float] = ..., jitter_after: _Optional[int] = ..., window: bool = ..., l2: _Optional[float] = ..., alpha: _Optional[float] = ..., alpha_weight: _Optional[float] = ..., tv_beta: _Optional[float] = ..., tv_weight: _Optional[float] = ..., start_l2: _Optional[float] = ..., decay: _Optional[float] = ..., fixed_norm: _Optional[float] = ..., blur: _Optional[float] = ..., final_blur: _Optional[float] = ..., blur_every: _Optional[int] = ..., bilateral: _Optional[int] = ..., bilateral_color: _Optional[float] = ..., bilateral_space: _Optional[float] = ..., median: _Optional[int] = ..., drop_norm: _Optional[float] = ..., drop_contribution: _Optional[float] = ..., stages: _Optional[_Iterable[_Union[SynthesisStage, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class SynthesisStage(_message.Message):
    __slots__ = ("share", "scale", "step", "blur", "layer")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BLUR_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    share: float
    scale: float
    step: _containers.RepeatedScalarFieldContainer[float]
    blur: _containers.RepeatedScalarFieldContainer[float]
    layer: str
    def __init__(self, share: _Optional[float] = ..., scale: _Optional[float] = ..., step: _Optional[_Iterable[float]] = ..., blur: _Optional[_Iterable[float]] = ..., layer: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("artifact", "target", "label", "score", "probability", "unit", "layer", "distance", "similarity", "example_numbers")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    artifact: str
    target: _target_pb2.ClassReference
    label: str
    score: float
    probability: float
    unit: _target_pb2.Unit
    layer: str
    distance: float
    similarity: float
    example_numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, artifact: _Optional[str] = ..., target: _Optional[_Union[_target_pb2.ClassReference, _Mapping]] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., probability: _Optional[float] = ..., unit: _Optional[_Union[_target_pb2.Unit, _Mapping]] = ..., layer: _Optional[str] = ..., distance: _Optional[float] = ..., similarity: _Optional[float] = ..., example_numbers: _Optional[_Iterable[int]] = ...) -> None: ...
