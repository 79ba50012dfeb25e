"""The parameters of every kind of synthesis, checked in one place. Needs no torch."""

from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from convscope.engine.parameters import Parameters

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
Jitter = Annotated[int, Field(ge=0, le=256)]


class ClassVisualizationParameters(Parameters):
    """Of class_visualization(). parse() raises InvalidParameter that names the field.

    The defaults show most of a class on EfficientNet-Lite0. `normalized` makes them fit networks with other gradients,
    and gets away from the mean picture, where many classes have almost none.
    """

    steps: int = Field(default=200, ge=1, le=100_000)
    """Steps of gradient ascent."""
    step_size: Positive = 6.0
    """How far a step goes: what the velocity is multiplied by, in units of the model's input. Where `normalized`, the
    Euclidean length of a step without momentum."""
    l2: float = Field(default=3e-3, ge=0)
    """Lambda: the weight of the squared norm of the picture, in units of the model's input."""
    momentum: float = Field(default=0.5, ge=0, lt=1)
    """Part of a step's velocity that the next one keeps."""
    jitter: Jitter = 32
    """The picture is rolled by up to so many pixels before each step; 0 for the paper's own way."""
    blur: float = Field(default=1.0, ge=0, le=32)
    """Standard deviation of the Gaussian that smooths each gradient, pixels; 0 for the paper's own way."""
    normalized: bool = True
    """Whether each gradient is divided by its norm; False for the paper's own way."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise that the pictures start from, in units of the model's input; 0: zeros."""
    seed: Seed = 0
    """Of the noise and of the jitter."""


Channels = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    Field(max_length=1000),
]


class DeepDreamParameters(Parameters):
    """Of deep_dream(). parse() raises InvalidParameter that names the field.

    The defaults are those of the published DeepDream code (Mordvintsev, Olah & Tyka 2015).
    """

    layer: str | None = None
    """A layer with a grid of places; None: one in the middle of the network, see middle_layer()."""
    channels: Channels = ()
    """The channels of the layer that count; none: all."""
    steps: int = Field(default=10, ge=1, le=1000)
    """Steps of gradient ascent in each octave."""
    octaves: int = Field(default=4, ge=1, le=10)
    """Sizes of the picture that are worked on, the smallest first."""
    octave_scale: float = Field(default=1.4, gt=1, le=4)
    """Ratio of the sides of one octave to those of the next smaller one."""
    step_size: Positive = 1.5
    """How far a step goes on average: grey levels of 255."""
    jitter: Jitter = 32
    """The picture is rolled by up to so many pixels before each step."""
    size: int = Field(default=512, ge=32, le=4096)
    """Longer side to which a larger picture, or guide, is scaled down first, pixels."""
    seed: Seed = 0
    """Of the jitter."""

    @field_validator("channels")
    @classmethod
    def _each_once(cls, channels: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if len(set(channels)) < len(channels):
            twice = next(channel for channel in channels if channels.count(channel) > 1)
            raise PydanticCustomError("twice", "channel {channel} is named twice", {"channel": twice})
        return channels
