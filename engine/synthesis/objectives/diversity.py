"""Pictures of one target that show different sides of it. Olah et al. 2017, section "Diversity"."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput


class Diversity:
    """The negative mean of the cosines between the Gram matrices of a picture and of the others of its target."""

    def __init__(self, output: LayerOutput, copies: int) -> None:
        """copies: pictures for each target, side by side in the batch."""
        self._output = output
        self._copies = copies

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective. `rows` are whole targets."""
        places = self._output(images).flatten(2)
        grams = F.normalize((places @ places.transpose(1, 2)).flatten(1))
        cosines = grams @ grams.T
        targets = torch.tensor([row // self._copies for row in rows], device=images.device)
        others = (targets[:, None] == targets[None]) & ~torch.eye(len(rows), dtype=torch.bool, device=images.device)
        return -(cosines * others).sum(dim=1) / max(1, self._copies - 1)
