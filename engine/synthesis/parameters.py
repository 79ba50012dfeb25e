"""The parameters of every kind of synthesis, checked in one place. Needs no torch."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from convscope.engine.errors import InvalidInput
from convscope.engine.parameters import Parameters

Seed = Annotated[int, Field(ge=0, lt=2**63)]
# Larger numbers, or their products, leave float32's range.
Positive = Annotated[float, Field(gt=0, le=1e30)]
NotNegative = Annotated[float, Field(ge=0, le=1e30)]
Factor = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, lt=1)]
Sigma = Annotated[float, Field(ge=0, le=32)]
Pixels = Annotated[int, Field(ge=0, le=256)]
Side = Annotated[int, Field(ge=32, le=4096)]
FromTo = Annotated[
    tuple[Factor, Factor], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
]


class Stage(Parameters):
    """A part of a synthesis at one size of the picture."""

    share: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Of all steps, against the other stages' shares."""
    scale: Annotated[float, Field(gt=0, le=8)] = 1.0
    """Side of the picture over the size of the synthesis."""
    step: FromTo = (1.0, 1.0)
    """Factor of step_size at the stage's first and last step, and evenly between."""
    blur: FromTo = (1.0, 1.0)
    """Factor of blur, likewise."""
    layer: str = ""
    """Where the paper ascends a classifier inside its network: that one's name. A network without it has its own."""


class SynthesisParameters(Parameters):
    """What a recipe sets, and a caller may override. parse() raises InvalidParameter that names the field.

    Lengths in pixels' values are grey levels, 0 to 255, as the papers' networks took them.
    """

    # What is moved
    parameterization: Literal["pixels", "fourier", "cppn", "code"] = "pixels"
    """pixels: grey levels about the mean picture. fourier: a spectrum scaled by 1/frequency, with decorrelated colours
    (Olah et al. 2017). cppn: the weights of a small network from coordinates to colours. code: what a learned prior
    makes a picture of (Nguyen et al. 2016), in standard deviations about the mean of real pictures' codes."""
    size: Side | None = None
    """Side of the picture, where a stage does not scale it; None: the model's own height and width."""
    noise: NotNegative = 0.0
    """Standard deviation of what it starts from: grey levels; of a spectrum, of weights or of a code their own unit. A
    picture to start from is taken as it is; of a code its code is."""
    brightness: Annotated[float, Field(ge=0, le=255)] | None = None
    """Grey level that the noise is about; None: the mean picture."""
    bounded: bool = False
    """Whether pixels are kept within 0 to 255 after each step; codes within three standard deviations, and within what
    real ones have at least."""

    # What is ascended
    output: Literal["score", "log_probability", "probability"] = "score"
    """Of a class; a unit has its value alone."""
    copies: Annotated[int, Field(ge=1, le=16)] = 1
    """Pictures for each target; they differ where `diversity`, evolution or codes of their own make them."""
    diversity: NotNegative = 0.0
    """Weight of what keeps the copies apart: the negative similarity of their Gram matrices."""

    # The way uphill
    optimizer: Literal["gradient_ascent", "adam", "lbfgs", "evolution", "langevin"] = "gradient_ascent"
    """How the gradient becomes a step: with momentum; Kingma & Ba 2015; a limited-memory BFGS direction; without a
    gradient, by keeping the best of mutated children; or as one of three terms of a walk over codes (PPGN)."""
    steps: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Steps of the optimizer, of all stages together; of evolution generations."""
    step_size: Positive = 1.0
    """How far a step goes. Grey levels where the gradient is normalized by mean_abs; their Euclidean norm by norm; the
    rise that it promises by progress; else the gradient's factor. Of adam its rate; of lbfgs the factor of its
    direction; of evolution the mutation's strength. Of a code in its own unit; of langevin PPGN's epsilon2."""
    final_step_size: NotNegative | None = None
    """step_size at the last step, and evenly between; None: the same throughout."""
    momentum: Share = 0.0
    """Part of a step's velocity that the next one keeps, of gradient_ascent."""
    population: Annotated[int, Field(ge=1, le=256)] = 8
    """Children in each generation of evolution."""
    normalization: Literal["none", "norm", "mean_abs", "progress"] = "none"
    """Divides each picture's gradient by its Euclidean norm, by the mean of its absolute values, or by its squared
    norm, so that step_size is the rise that a step promises."""
    gradient_blur: Sigma = 0.0
    """Standard deviation of the Gaussian that smooths the gradient, pixels."""
    laplacian_levels: Annotated[int, Field(ge=0, le=8)] = 0
    """The gradient is split into so many levels of a Laplacian pyramid, each divided by its RMS; 0: not."""
    denoising: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Part of the way to the denoised code that a step of langevin goes: PPGN's epsilon1."""
    denoiser: Literal["joint", "autoencoder"] = "autoencoder"
    """autoencoder: the one that the prior learned on codes alone (PPGN-h); pictures are made of denoised codes. joint:
    a picture is made of the code, and the code read from it again (Joint PPGN-h)."""
    wandering: NotNegative = 0.0
    """Standard deviation of the noise that a step of langevin adds: PPGN's epsilon3."""
    final_noise: NotNegative = 0.0
    """Of langevin: to which the noise in the code falls from `noise`; how far a step goes and what it adds follow from
    that, and step_size is over the noise's variance, or its standard deviation where the gradient is normalized. 0:
    all steps are alike, by denoising and wandering."""
    cycles: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often it falls, in equal parts of the steps; each time from the denoised code with `noise` over it. The
    picture is the one of the cycles' ends whose score is highest."""
    chain_every: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Steps from one picture of the chain that langevin keeps to the next; with final_noise the chain is what the
    cycles end with."""
    redirected_relu_steps: Annotated[int, Field(ge=0, le=1000)] = 0
    """First steps in which a dead ReLU passes gradients that would wake it."""

    # What the network sees
    pad: Pixels = 0
    """Pixels of grey round the picture."""
    jitter: Pixels = 0
    """The picture is shifted by up to so many pixels before each step."""
    scaling: Share = 0.0
    """It is scaled by 1 plus or minus so much at most."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """It is turned by up to so many degrees, either way."""
    jitter_after: Pixels = 0
    """It is shifted again by up to so many pixels."""
    window: bool = False
    """Whether of a picture larger than the model's input a random window of its size is seen; else the whole."""

    # What holds it back
    l2: NotNegative = 0.0
    """Weight of the squared norm: the sum of x^2, x in grey levels about the mean."""
    alpha: Annotated[float, Field(ge=1, le=12)] = 6.0
    """Exponent of the alpha-norm: the sum of |x|^alpha, x in grey levels about the mean."""
    alpha_weight: NotNegative = 0.0
    """Its weight."""
    tv_beta: Annotated[float, Field(ge=1, le=4)] = 2.0
    """Exponent of the total variation: the sum of (dx^2 + dy^2)^(beta/2) of grey levels, each colour by itself."""
    tv_weight: NotNegative = 0.0
    """Its weight."""

    start_l2: NotNegative = 0.0
    """Weight of the squared distance from what it started from, grey levels."""

    # What is done to the picture between steps
    decay: Share = 0.0
    """Part of it that each step takes off."""
    fixed_norm: NotNegative = 0.0
    """Root mean square to which it is scaled after each step, grey levels about the mean; 0: not."""
    blur: Sigma = 0.0
    """Standard deviation of a Gaussian over the picture, pixels."""
    final_blur: Sigma | None = None
    """blur at the last step, and evenly between; None: the same throughout."""
    blur_every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Steps from one blur to the next."""
    bilateral: Annotated[int, Field(ge=0, le=15)] = 0
    """Width of a bilateral filter over the picture, pixels, odd; 0: none."""
    bilateral_color: Positive = 25.0
    """Its standard deviation between colours, grey levels."""
    bilateral_space: Positive = 110.0
    """Its standard deviation between places, pixels."""
    median: Annotated[int, Field(ge=0, le=15)] = 0
    """Width of a median filter over the picture, pixels, odd; 0: none."""
    drop_norm: Share = 0.0
    """Part of the pixels, those of the smallest norm, that is set to the mean after each step."""
    drop_contribution: Share = 0.0
    """The same of those that contribute least: |x dS/dx|, summed over colours."""

    stages: Annotated[
        tuple[Stage, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
    ] = ()
    """One after the other; none: one stage."""
    seed: Seed = 0
    """Of all that is random."""

    @field_validator("bilateral", "median")
    @classmethod
    def _odd(cls, width: int) -> int:
        if width and width % 2 == 0:
            raise PydanticCustomError("even", "{width} is even; a filter's width is odd", {"width": width})
        return width

    @field_validator("stages")
    @classmethod
    def _few(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if len(stages) > 16:
            raise PydanticCustomError("many", "{number} stages; at most 16 are accepted", {"number": len(stages)})
        return stages

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for name, others in self._contradictions():
            for other in others:
                if getattr(self, other) != type(self).model_fields[other].default:
                    kind, values = "contradiction", {"field": other, "other": name, "value": getattr(self, name)}
                    raise PydanticCustomError(kind, "{field} does not go with {other} {value}", values)
        if len({stage.scale for stage in self.stages}) > 1:
            for name in self._of_one_size():
                values = {"field": name, "other": "stages", "value": "of several sizes"}
                raise PydanticCustomError("contradiction", "{field} does not go with {other} {value}", values)
        if self.optimizer == "langevin" and self.parameterization != "code":
            values = {"field": "optimizer", "other": "parameterization", "value": self.parameterization}
            raise PydanticCustomError("contradiction", "{field} langevin does not go with {other} {value}", values)
        if self.final_noise >= self.noise and self.final_noise:
            values = {"field": "final_noise", "noise": self.noise}
            raise PydanticCustomError("contradiction", "{field} is to be below the noise, {noise}", values)
        if self.cycles > max(1, self.steps if self.final_noise else 1):
            values = {"field": "cycles"}
            message = "{field} are at most as many as there are steps, and need a final_noise"
            raise PydanticCustomError("contradiction", message, values)
        if self.diversity and self.copies == 1:
            values = {"field": "diversity"}
            raise PydanticCustomError("contradiction", "{field} needs several copies", values)
        return self

    def _contradictions(self) -> list[tuple[str, tuple[str, ...]]]:
        """Values in force, each with the fields that mean nothing beside it."""
        found: list[tuple[str, tuple[str, ...]]] = []
        if self.parameterization != "pixels":
            alike = OF_PIXELS_AND_CODES if self.parameterization == "code" else ()
            found.append(("parameterization", tuple(name for name in OF_PIXELS if name not in alike)))
        if self.parameterization == "code":
            found.append(("parameterization", ("size",)))
        if self.optimizer == "evolution":
            found.append(("optimizer", OF_GRADIENTS))
        if self.optimizer in {"adam", "lbfgs", "langevin"}:
            found.append(("optimizer", ("momentum",)))
        if self.optimizer != "langevin":
            found.append(("optimizer", OF_LANGEVIN))
        if self.final_noise:
            found.append(("final_noise", ("denoising", "wandering", "chain_every")))
        return found

    def _of_one_size(self) -> Iterator[str]:
        """Fields in force by which something of the size of the picture is remembered."""
        if self.start_l2:
            yield "start_l2"
        if self.optimizer in {"adam", "lbfgs"}:
            yield "optimizer"

    def check_prior(self, *, given: bool) -> None:
        """Raise InvalidInput (field `prior`) where codes have no learned prior, or anything else has one."""
        coded = self.parameterization == "code"
        if coded and not given:
            message = "a picture is made of a code by a learned prior; name one"
            raise InvalidInput(message, field="prior", reason="PRIOR_MISSING")
        if given and not coded:
            message = f"a learned prior has no use with the parameterization {self.parameterization}"
            raise InvalidInput(message, field="prior", reason="CONTRADICTION")

    def start_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the picture that a synthesis starts with, for a model of that input."""
        scale = self.schedule()[0].scale
        sides = (height, width) if self.size is None else (self.size, self.size)
        return round(sides[0] * scale), round(sides[1] * scale)

    def schedule(self) -> tuple[Stage, ...]:
        """The stages that have a step, at least one; each with its steps for share."""
        stages = self.stages or (Stage(),)
        whole, done, ends = sum(stage.share for stage in stages), 0.0, []
        for stage in stages:
            done += stage.share
            ends.append(round(self.steps * done / whole))
        starts = [0, *ends[:-1]]
        return tuple(
            stage.model_copy(update={"share": float(end - start)})
            for stage, start, end in zip(stages, starts, ends, strict=True)
            if end > start
        )


OF_PIXELS = (
    "brightness", "bounded", "stages", "gradient_blur", "laplacian_levels", "decay", "fixed_norm", "blur",
    "final_blur", "bilateral", "median", "drop_norm", "drop_contribution", "window",
)  # fmt: skip
"""What only pixels have: a spectrum and weights are not blurred, clipped or grown."""
OF_PIXELS_AND_CODES = ("bounded", "decay")
OF_LANGEVIN = ("denoising", "denoiser", "wandering", "final_noise", "cycles", "chain_every")
OF_GRADIENTS = (
    "normalization", "gradient_blur", "laplacian_levels", "redirected_relu_steps", "momentum", "drop_contribution",
    "final_step_size", "diversity", "stages",
)  # fmt: skip
"""What evolution, which takes no gradient, has no use for."""


class AdversarialParameters(Parameters):
    """Of create_adversarial(). Lengths are of values from 0 to 1, as the literature has them."""

    attack: Literal["ascent", "fgsm", "pgd", "deepfool"] = "pgd"
    """ascent: up the class without a bound, until the network says so (the lecture's loop). fgsm: one step (Goodfellow
    et al. 2015). pgd: steps within a ball (Madry et al. 2018). deepfool: to the nearest border, the smallest change
    (Moosavi-Dezfooli et al. 2016); it takes no target."""
    norm: Literal["linf", "l2"] = "linf"
    """What epsilon and step_size bound."""
    epsilon: Positive = 8 / 255
    """Largest perturbation; not of ascent and deepfool."""
    steps: Annotated[int, Field(ge=1, le=100_000)] = 40
    """At most; an attack ends once it has what it wants. fgsm takes one."""
    step_size: Positive | None = None
    """Of a step; None: a quarter of epsilon for pgd, epsilon for fgsm, 1/255 for ascent."""
    restarts: Annotated[int, Field(ge=1, le=16)] = 1
    """Starts of pgd from different points of the ball, side by side; the best is kept."""
    random_start: bool = True
    """Whether pgd starts from a random point of the ball, not from the picture."""
    confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability of the class at which an attack ends; without a target, what is left of the first class may be at
    most 1 less that. 0: once the answer is another."""
    seed: Seed = 0
    """Of all that is random."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.attack != "pgd" and self.restarts > 1:
            values = {"field": "restarts", "other": "attack", "value": self.attack}
            raise PydanticCustomError("contradiction", "{field} does not go with {other} {value}", values)
        if self.epsilon < 1 / 255 and self.norm == "linf" and self.attack in {"fgsm", "pgd"}:
            message = "{field} is below 1/255, which no picture of 8 bits can show"
            raise PydanticCustomError("contradiction", message, {"field": "epsilon"})
        return self


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
    jitter: Pixels = 32
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
