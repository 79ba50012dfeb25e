"""A direction in the space of a layer's channels, not one axis of it. Olah et al. 2017, and lucid's objectives."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput

# Lucid's: where the two do not point the same way the dot product alone still pulls them together.
LEAST = 0.1


class Direction:
    """The mean over places of the dot product with the direction, times a power of the cosine between both."""

    def __init__(self, output: LayerOutput, direction: Tensor, cosine_power: float = 0.0) -> None:
        """direction: [channels]. cosine_power: 0 for the dot product alone; more asks for the direction, not length."""
        self._output = output
        self._direction = direction.view(1, -1, 1, 1)
        self._power = cosine_power

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        places = self._output(images)
        dots = (places * self._direction).sum(dim=1)
        if self._power:
            dots = dots * F.cosine_similarity(places, self._direction, dim=1).clamp_min(LEAST) ** self._power
        return dots.flatten(1).mean(dim=1)
