"""The parameters of an evaluation. Needs no torch."""

from typing import Annotated

from pydantic import Field

from convscope.engine.parameters import Parameters

Many = Annotated[int, Field(ge=1, le=1000)]
Positive = Annotated[float, Field(gt=0, le=1e6)]


class EvaluationParameters(Parameters):
    """parse() raises InvalidParameter that names the field."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of all that is random."""
    tolerance: Annotated[float, Field(ge=0, le=4096)] = 0.0
    """Of the pointing game: pixels of the model's input by which the mask may be missed. The paper has 15 of pictures
    of some 500 pixels."""
    curve_steps: Many = 20
    """Of insertion and deletion."""
    samples: Many = 10
    """Of infidelity and max-sensitivity: changes of the picture."""
    noise: Positive = 0.03
    """Of infidelity: standard deviation of the change, in units of the preprocessed picture."""
    radius: Positive = 0.02
    """Of max-sensitivity: the largest change of a pixel, in units of the preprocessed picture."""
    stages: Annotated[int, Field(ge=1, le=100)] = 5
    """Of randomization: networks that are looked at, the last without any trained weight."""
