"""How far the network is from answering each of some classes. Moosavi-Dezfooli et al. 2016, equation 8."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.models.model import Model


class Margin:
    """f_k(x) - f_first(x), one class k for each picture of the batch, all of which are the same picture."""

    def __init__(self, model: Model, first: int, classes: Sequence[int]) -> None:
        self._model = model
        self._first = first
        self._classes = torch.tensor(classes, device=model.device)
        self.given = torch.zeros(len(classes), dtype=torch.bool, device=model.device)
        """Whether each picture had another answer than the first when it was last looked at."""

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        images = images.clone() if self._model.layers.writes_to_images else images
        scores: Tensor = self._model.module(images)
        self.given[list(rows)] = scores.detach().argmax(dim=1) != self._first
        return scores.gather(1, self._classes[list(rows)].unsqueeze(1)).squeeze(1) - scores[:, self._first]
