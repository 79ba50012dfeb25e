"""A network that says what a picture shows."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional


class Captioner(nn.Module, ABC):
    """Sees a picture, then says one word after the other.

    Called as a network that is to be explained, it gives the log-probability of every word of a sentence that is
    given: [N, L] for pictures [N, 3, H, W] and tokens [N, L]. So a word is to a captioner what a class is to a
    classifier, and a sentence the sum of its words.
    """

    end = 0
    """The token after the last word."""

    @abstractmethod
    def see(self, images: Tensor) -> Tensor:
        """What is kept of the pictures, [N, ...]."""

    @abstractmethod
    def say(self, seen: Tensor, words: Tensor) -> Tensor:
        """Scores of every word of the vocabulary at each place, before the softmax: [N, L + 1, vocabulary].

        words: tokens [N, L]. At place i it has read the words before i; at the last, all.
        """

    def forward(self, images: Tensor, words: Tensor) -> Tensor:
        """Log-probability of each word, given the picture and the words before it: [N, L]; behind the first `end` 0."""
        return self.spoken(self.say(self.see(images), words[:, :-1]), words)

    def spoken(self, scores: Tensor, words: Tensor) -> Tensor:
        """forward(), of the scores [N, L, vocabulary] that say() gave."""
        chosen = scores.log_softmax(dim=2).gather(2, words[:, :, None]).squeeze(2)
        ended = functional.pad((words == self.end).cumsum(dim=1)[:, :-1], (1, 0)) > 0
        return chosen.masked_fill(ended, 0.0)


@torch.no_grad()
def caption(captioner: Captioner, images: Tensor, *, beams: int = 1, most: int = 20) -> tuple[Tensor, Tensor]:
    """The most probable sentences, as beam search finds them: tokens [N, L] with `end` behind, log-probabilities [N].

    beams: sentences that are followed at a time, each to its most probable next words; 1: greedy. most: words. The
    search ends where no sentence that goes on is as probable as the best that has ended.
    """
    found = [_search(captioner, seen, beams, most) for seen in torch.split(captioner.see(images), 1)]
    length = max(len(tokens) for tokens, _ in found)
    tokens = torch.full((len(found), length), captioner.end, device=images.device)
    for row, (sentence, _) in enumerate(found):
        tokens[row, : len(sentence)] = torch.tensor(sentence, device=images.device)
    return tokens, torch.tensor([value for _, value in found], device=images.device)


def _search(captioner: Captioner, seen: Tensor, beams: int, most: int) -> tuple[list[int], float]:
    """Of one picture."""
    begun: list[tuple[list[int], float]] = [([], 0.0)]
    best: tuple[list[int], float] | None = None
    for _ in range(most):
        words = torch.tensor([tokens for tokens, _ in begun], dtype=torch.int64, device=seen.device)
        scores = captioner.say(seen.expand(len(begun), *seen.shape[1:]), words.view(len(begun), -1))
        chances = scores[:, -1].log_softmax(dim=1) + torch.tensor(
            [[value] for _, value in begun], device=seen.device, dtype=scores.dtype
        )
        values, places = chances.flatten().topk(min(beams, chances.numel()))
        begun_before, begun = begun, []
        for value, place in zip(values.tolist(), places.tolist(), strict=True):
            row, token = divmod(place, chances.shape[1])
            sentence = [*begun_before[row][0], token]
            if token != captioner.end:
                begun.append((sentence, value))
            elif best is None or value > best[1]:
                best = (sentence, value)
        if not begun or (best is not None and best[1] >= begun[0][1]):
            break
    return best or (begun[0][0] + [captioner.end], begun[0][1])
