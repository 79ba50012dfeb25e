"""What there is, in a sentence."""

import torch
from torch import Tensor, nn

from convscope.engine.shapes.networks.eye import FEATURES, GRID, eye
from convscope.engine.shapes.vocabulary import CAPTION_WORDS
from convscope.engine.words.captioner import Captioner

WORD, STATE, SIGHT = 128, 192, 96
"""Numbers for a word, of the LSTM's state, and for what is seen at a place."""


class ShapesCaptioner(Captioner):
    """A CNN and an LSTM, whose first input is the picture's feature: Vinyals et al. 2015, "Show and Tell".

    The feature is made of what is in each column and in each row, so that what stands where is not lost.
    """

    def __init__(self) -> None:
        super().__init__()
        tokens = len(CAPTION_WORDS) + 1
        self.eye = eye()
        self.sight = nn.Sequential(nn.Conv2d(FEATURES, SIGHT, 1), nn.ReLU())
        self.picture = nn.Sequential(nn.BatchNorm1d(2 * GRID * SIGHT), nn.Linear(2 * GRID * SIGHT, WORD))
        self.embedding = nn.Embedding(tokens, WORD)
        self.lstm = nn.LSTM(WORD, STATE, batch_first=True)
        self.vocabulary = nn.Linear(STATE, tokens)

    def see(self, images: Tensor) -> Tensor:
        """[N, 3, 64, 64] to [N, WORD]."""
        return self.summarize(self.eye(images))

    def summarize(self, features: Tensor) -> Tensor:
        """What the eye gives, [N, FEATURES, GRID, GRID], to [N, WORD]."""
        sight = self.sight(features)
        columns, rows = sight.sum(dim=2), sight.sum(dim=3)
        summary: Tensor = self.picture(torch.cat([columns, rows], dim=1).flatten(1))
        return summary

    def say(self, seen: Tensor, words: Tensor) -> Tensor:
        states, _ = self.lstm(torch.cat([seen[:, None], self.embedding(words)], dim=1))
        scores: Tensor = self.vocabulary(states)
        return scores
