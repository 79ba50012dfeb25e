"""The parameters of a prior's training. Needs no torch."""

from typing import Annotated

from pydantic import Field

from convscope.engine.generation.presets import DEFAULT_PRESET, find_preset
from convscope.engine.parameters import Parameters

FEWEST = 64
"""Pictures that a prior can be learned from."""
Weight = Annotated[float, Field(ge=0, le=1e6)]


class TrainingParameters(Parameters):
    """parse() raises InvalidParameter that names the field."""

    preset: str = DEFAULT_PRESET
    """One of PRESETS."""
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Steps of the optimizers; None: the preset's."""
    batch: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Pictures of a step; None: the preset's."""
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Adam's, for all networks; it falls to nothing along a cosine over the last half of the steps."""
    pixel_weight: Weight = 1.0
    """Of the squared distance of pictures, values from 0 to 1."""
    feature_weight: Weight = 0.1
    """Of the squared distance of codes, in standard deviations."""
    adversarial_weight: Weight = 0.0
    """Of what a discriminator tells made pictures from real ones by; 0: there is none."""
    noise: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Standard deviation at most of the noise that the autoencoder learns to take off codes, in standard deviations of
    real codes; each code has its own, smaller ones more often. A grid's numbers say the same many times over, so that
    it takes a noise of tens to hide what is there."""
    generator_noise: Annotated[float, Field(ge=0, le=100)] = 0.3
    """The same of the codes that the generator makes pictures of."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of all that is random."""

    def sizes(self) -> tuple[int, int]:
        """Steps and batch, of its preset where it has none. Raises UnknownName (field `preset`)."""
        preset = find_preset(self.preset)
        return self.steps or preset.steps, self.batch or preset.batch

    def resolved(self) -> "TrainingParameters":
        """With those. Raises as sizes()."""
        steps, batch = self.sizes()
        return self.model_copy(update={"steps": steps, "batch": batch})
