"""No pixel stands out of its neighbours: a median filter."""

import torch
from torch import Tensor

from convscope.engine.synthesis.priors.neighbourhood import neighbourhood


class Median:
    """Each number becomes the median of its window, each colour by itself."""

    def __init__(self, width: int) -> None:
        """width: of the window, pixels, odd."""
        self._width = width

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        medians = neighbourhood(variables, self._width).median(dim=2).values
        return medians.contiguous(memory_format=torch.channels_last)
