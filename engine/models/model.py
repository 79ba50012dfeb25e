"""A loaded network with what must be known to explain it."""

from dataclasses import dataclass

import torch
from torch import nn

from convscope.engine.models.labels import Labels
from convscope.engine.models.layers import LayerMap
from convscope.engine.models.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier in memory: in evaluation mode, channels last, no parameter requires a gradient."""

    name: str
    description: str
    module: nn.Module
    preprocessing: Preprocessing
    labels: Labels
    """One for each class."""
    has_labels: bool
    """False where the labels are but the indices in digits."""
    layers: LayerMap
    weights_digest: str
    device: torch.device

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())
