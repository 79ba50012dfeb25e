"""The answer to a question about a picture."""

import torch
from torch import Tensor, nn

from convscope.engine.shapes.networks.eye import FEATURES, eye
from convscope.engine.shapes.vocabulary import ANSWERS, QUESTION_WORDS
from convscope.engine.words.tokenizer import WordTokenizer

WORD, HIDDEN = 32, 256
"""Numbers for a word, and of what follows the product."""


class Answerer(nn.Module):
    """An LSTM reads the question, and what it has read is multiplied point by point with the picture's features:
    Lu et al. 2015, "Deeper LSTM and normalized CNN", the product taken at each place instead of once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.eye = eye()
        self.embedding = nn.Embedding(len(QUESTION_WORDS) + 1, WORD)
        self.lstm = nn.LSTM(WORD, FEATURES, batch_first=True)
        self.asked = nn.Linear(FEATURES, FEATURES)
        self.looked = nn.Sequential(nn.Conv2d(FEATURES, HIDDEN, 1), nn.ReLU())
        self.answer = nn.Sequential(
            nn.BatchNorm1d(HIDDEN + FEATURES),
            nn.Linear(HIDDEN + FEATURES, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, len(ANSWERS)),
        )

    def forward(self, images: Tensor, questions: Tensor) -> Tensor:
        """Pictures [N, 3, 64, 64] and tokens [N, L], the end behind, to scores of ANSWERS, [N, answers]."""
        return self.reply(self.eye(images), self.read(questions))

    def read(self, questions: Tensor) -> Tensor:
        """What is asked, [N, FEATURES]."""
        states, _ = self.lstm(self.embedding(questions))
        last = (questions != WordTokenizer.end).sum(dim=1).clamp(min=1) - 1
        read: Tensor = self.asked(states[torch.arange(len(questions), device=questions.device), last])
        return read.tanh()

    def reply(self, seen: Tensor, read: Tensor) -> Tensor:
        """Scores of ANSWERS."""
        looked = self.looked(seen * read[:, :, None, None])
        scores: Tensor = self.answer(torch.cat([looked.sum(dim=(2, 3)), read], dim=1))
        return scores
