"""What a network says of a class: S_c of Simonyan, Vedaldi & Zisserman 2013, section 2, or its probability."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.attribution.target import Output
from convscope.engine.models.model import Model


class ClassOutput:
    """One class for each picture of the batch."""

    def __init__(self, model: Model, classes: Sequence[int], output: Output = "score") -> None:
        """output: the score before the softmax, the probability after it, or its logarithm."""
        self._model = model
        self._classes = torch.tensor(classes, device=model.device)
        self._output = output

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        images = images.clone() if self._model.layers.writes_to_images else images
        scores: Tensor = self._model.module(images)
        if self._output == "log_probability":
            scores = scores.log_softmax(1)
        elif self._output == "probability":
            scores = scores.softmax(1)
        return scores.gather(1, self._classes[list(rows)].unsqueeze(1)).squeeze(1)
