"""What a method is, and what it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convscope.engine.attribution.parameters import Parameters
from convscope.engine.errors import InvalidInput
from convscope.engine.models.layers import LayerMap

TOP_CLASS = -1


@dataclass(frozen=True)
class Attribution:
    """A batch of explanations, with what the pass gave anyway."""

    values: Tensor
    """Signed, [N, ...]; what follows N is the method's own shape."""
    scores: Tensor
    """The class scores before the softmax, [N, classes]."""
    targets: Tensor
    """The class that each explanation is for, int64 [N]."""


@dataclass(frozen=True)
class Method:
    """A way to ask which pixels matter.

    `attribute` takes (module, images [N, 3, H, W], targets int64 [N], parameters). A target of TOP_CLASS means the
    class with the highest score. It changes nothing in the module that outlives the call.
    """

    attribute: Callable[[nn.Module, Tensor, Tensor, Any], Attribution]
    parameters: type[Parameters]
    layer: Callable[[LayerMap, Any], str] | None = None
    """The layer that it will look at, checked before a pass; None for a method that looks at none."""


def select(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The targets with TOP_CLASS resolved, and the sum of their scores, from which one backward pass gives every
    image's own gradient."""
    resolved = torch.where(targets == TOP_CLASS, scores.detach().argmax(dim=1), targets)
    lowest, highest = torch.aminmax(resolved)
    if lowest < 0 or highest >= scores.shape[1]:
        message = f"a class is out of range; the network has classes 0 to {scores.shape[1] - 1}"
        raise InvalidInput(message, field="targets", reason="UNKNOWN_CLASS")
    return resolved, scores.gather(1, resolved.unsqueeze(1)).sum()
