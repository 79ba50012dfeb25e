"""A picture on which explanations are measured, with what is known about it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.attribution.target import ClassTarget
from convscope.engine.evaluation.localization import Mask


@dataclass(frozen=True, eq=False)
class Case:
    """One picture, and what is asked of it."""

    image: Tensor
    """uint8 [3, H, W], cropped as the model takes it."""
    target: ClassTarget = field(default_factory=ClassTarget)
    words: tuple[int, ...] = ()
    """Tokens that the model reads too: a caption with its end, or a question; none of a model that reads none."""
    mask: Mask | None = None
    """bool [H, W], the pixels on which the right answer depends; None: not known."""
    attention: tuple[NDArray[np.float32], ...] = ()
    """Where people looked, [H, W] each; none: not known."""
    number: int = 0
    """Of all that is random about it, with the evaluation's seed."""
