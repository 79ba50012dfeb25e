"""More of what a guide shows. Mordvintsev, Olah & Tyka 2015, the published code's objective_guide."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput

# Dot products held at once.
MOST = 1 << 24


class GuideMatch:
    """The sum, over the places of a layer, of the largest dot product with any of the guide's features there; the
    gradient of each place is that feature."""

    def __init__(self, output: LayerOutput, guide: Tensor) -> None:
        """guide: [1, 3, H, W] as the network takes it, of any size."""
        self._output = output
        with torch.no_grad():
            self._features = output(guide)[0].flatten(1).T.contiguous()  # [places, channels]

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        places = self._output(images).permute(0, 2, 3, 1)
        flat = places.detach().reshape(-1, places.shape[3])
        at_once = max(1, MOST // len(self._features))
        starts = range(0, len(flat), at_once)
        best = torch.cat([(flat[row : row + at_once] @ self._features.T).argmax(dim=1) for row in starts])
        return (places * self._features[best].reshape(places.shape)).flatten(1).sum(dim=1)
