"""Pictures without the highest frequencies. Yosinski et al. 2015, section 3; Øygaard 2015, the published code."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.gaussian import Gaussian


class Blur:
    """A Gaussian over the picture, whose width may change; mirrored at the edges."""

    def __init__(self, sigma: Callable[[int], float], every: int, device: torch.device) -> None:
        """sigma: pixels, at each step. every: steps from one blur to the next."""
        self._sigma = sigma
        self._every = every
        self._device = device

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        sigma = self._sigma(step)
        if (step + 1) % self._every or not sigma:
            return variables
        return Gaussian(sigma, self._device, wrapped=False)(variables)
