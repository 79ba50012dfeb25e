"""How near features are to wanted ones. Mahendran & Vedaldi 2015, equation 2, normalised as in section 3.3."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput


class FeatureDistance:
    """-|Phi(x) - Phi_0|^2 / |Phi_0|^2, for each picture of the batch at a layer of its own."""

    def __init__(self, outputs: Sequence[LayerOutput], features: Sequence[Tensor]) -> None:
        """features: for each picture what its layer should give, [1, ...]; not zeros."""
        self._outputs = outputs
        self._features = features
        self._energies = [feature.square().sum() for feature in features]

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        return torch.stack([self._one(images[place : place + 1], row) for place, row in enumerate(rows)])

    def _one(self, image: Tensor, row: int) -> Tensor:
        return -(self._outputs[row](image) - self._features[row]).square().sum() / self._energies[row]
