"""Steps without the highest frequencies, which networks answer to and eyes do not. Øygaard 2015, the published code,
blurs the picture to the same end."""

import torch
from torch import Tensor

from convscope.engine.synthesis.gaussian import Gaussian


class GradientBlur:
    """A Gaussian round the picture's edges, as the jitter rolls it."""

    def __init__(self, sigma: float, device: torch.device) -> None:
        """sigma: pixels."""
        self._gaussian = Gaussian(sigma, device, wrapped=True)

    def __call__(self, gradient: Tensor) -> Tensor:
        """As GradientFilter."""
        return self._gaussian(gradient)
