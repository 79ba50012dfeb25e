"""The score of a class, before the softmax: S_c of Simonyan, Vedaldi & Zisserman 2013, section 2."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.models.model import Model
from convscope.engine.synthesis.objective import Rise


class ClassScore:
    """One class for each picture of the batch."""

    def __init__(self, model: Model, classes: Sequence[int]) -> None:
        self._model = model
        self._classes = torch.tensor(classes, device=model.device).unsqueeze(1)

    def __call__(self, images: Tensor, rows: slice) -> Rise:
        """As Objective."""
        images = images.clone() if self._model.layers.writes_to_images else images
        scores = self._model.module(images).gather(1, self._classes[rows]).squeeze(1)
        return Rise(scores, torch.ones_like(scores), scores.detach())
