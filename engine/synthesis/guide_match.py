"""More of what a guide shows. Mordvintsev, Olah & Tyka 2015, the published code's objective_guide."""

import torch
from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.objective import Rise

# Dot products held at once.
MOST = 1 << 24


class GuideMatch:
    """The gradient of each place of a layer is the guide's feature that has the largest dot product with it; the score
    is the sum of those products."""

    def __init__(self, output: LayerOutput, guide: Tensor) -> None:
        """guide: [1, 3, H, W] as the network takes it, of any size."""
        self._output = output
        with torch.no_grad():
            self._features = output(guide)[0].flatten(1).T.contiguous()  # [places, channels]

    def __call__(self, images: Tensor, rows: slice) -> Rise:
        """As Objective."""
        output = self._output(images)
        places = output.detach().permute(0, 2, 3, 1)
        flat = places.reshape(-1, places.shape[3])
        at_once = max(1, MOST // len(self._features))
        starts = range(0, len(flat), at_once)
        best = torch.cat([(flat[row : row + at_once] @ self._features.T).argmax(dim=1) for row in starts])
        chosen = self._features[best].reshape(places.shape)
        return Rise(output, chosen.permute(0, 3, 1, 2), (places * chosen).flatten(1).sum(dim=1))
