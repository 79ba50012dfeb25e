"""A loaded network with what must be known to explain it."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import nn

from convscope.engine.models.labels import Labels
from convscope.engine.models.layers import LayerMap
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.models.variants import Precision, Variants


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
    variants: Variants

    def variant(self, precision: Precision, layers: Collection[str] = ()) -> nn.Module:
        """The fastest network of that precision in which `layers` give what they give in `module`; float32 at its ends.

        Raises InvalidInput (PRECISION_UNSUPPORTED).
        """
        return self.variants.module(precision, layers)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())
