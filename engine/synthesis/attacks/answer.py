"""What an attack wants a network to answer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.models.model import Model


class Answer:
    """A class, or any but one: its log-probability is ascended, or the other's descended."""

    def __init__(self, model: Model, wanted: int | None, first: int, confidence: float, count: int) -> None:
        """wanted: None for any but `first`, the class that the network gives the original. confidence: as
        AdversarialParameters. count: of attacks side by side."""
        self._model = model
        self._wanted = wanted
        self._first = first
        self._confidence = confidence
        self._given = torch.zeros(count, dtype=torch.bool, device=model.device)

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        images = images.clone() if self._model.layers.writes_to_images else images
        scores: Tensor = self._model.module(images)
        self._given[list(rows)] = self.is_given(scores.detach())
        logarithms = scores.log_softmax(1)
        return -logarithms[:, self._first] if self._wanted is None else logarithms[:, self._wanted]

    def is_given(self, scores: Tensor) -> Tensor:
        """Whether class scores before the softmax, [N, classes], are the answer: [N]."""
        top, probabilities = scores.argmax(dim=1), scores.softmax(1)
        if self._wanted is None:
            return (top != self._first) & (probabilities[:, self._first] <= 1 - self._confidence)
        return (top == self._wanted) & (probabilities[:, self._wanted] >= self._confidence)

    @property
    def given(self) -> Tensor:
        """Whether each picture had the answer when it was last looked at, [count]."""
        return self._given
