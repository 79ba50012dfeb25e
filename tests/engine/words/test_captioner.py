"""Captioners: what they are called with, and the search for the most probable sentence."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.words.captioner import Captioner, caption

WORDS = 4


class Tiny(Captioner):
    """A GRU of a few numbers."""

    def __init__(self, seed: int, end: int = 0) -> None:
        super().__init__()
        self.end = end
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.eye = nn.Conv2d(3, 6, 3, stride=2)
            self.embedding = nn.Embedding(WORDS, 6)
            self.gru = nn.GRU(6, 8, batch_first=True)
            self.vocabulary = nn.Linear(8, WORDS)
        with torch.no_grad():
            self.vocabulary.weight.mul_(4)

    def see(self, images: Tensor) -> Tensor:
        seen: Tensor = self.eye(images).relu().mean((2, 3))
        return seen

    def say(self, seen: Tensor, words: Tensor) -> Tensor:
        states, _ = self.gru(torch.cat([seen[:, None], self.embedding(words)], 1))
        scores: Tensor = self.vocabulary(states)
        return scores


def pictures(count: int) -> Tensor:
    return torch.randn(count, 3, 9, 9, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def by_hand(captioner: Captioner, image: Tensor, sentence: tuple[int, ...]) -> list[float]:
    """The log-probability of each word, one step at a time."""
    seen, found = captioner.see(image[None]), []
    for place, word in enumerate(sentence):
        scores = captioner.say(seen, torch.tensor([sentence[:place]], dtype=torch.int64).view(1, -1))
        found.append(float(scores[0, -1].log_softmax(0)[word]))
    return found


@pytest.mark.parametrize("end", [0, 2])
def test_it_gives_the_log_probability_of_each_word(end: int) -> None:
    captioner, images = Tiny(1, end).eval(), pictures(3)
    others = [word for word in range(WORDS) if word != end]
    sentences = [(others[0], others[1], end, end), (others[2], end, end, end), (others[1], others[1], others[2], end)]
    with torch.no_grad():
        found = captioner(images, torch.tensor(sentences))
    for row, (image, sentence) in enumerate(zip(images, sentences, strict=True)):
        spoken = sentence[: sentence.index(end) + 1]
        expected = by_hand(captioner, image, spoken)
        torch.testing.assert_close(found[row, : len(spoken)], torch.tensor(expected))
        assert (found[row, len(spoken) :] == 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_search_finds_the_most_probable_sentence(seed: int) -> None:
    """Of all that there are."""
    captioner, images, most = Tiny(seed).eval(), pictures(2), 4
    tokens, values = caption(captioner, images, beams=WORDS**most, most=most)
    for image, sentence, value in zip(images, tokens.tolist(), values.tolist(), strict=True):
        every = [(*words, captioner.end) for length in range(most) for words in product(range(1, WORDS), repeat=length)]
        chances = {words: sum(by_hand(captioner, image, words)) for words in every}
        best = max(every, key=lambda words: chances[words])
        assert tuple(sentence[: len(best)]) == best
        assert set(sentence[len(best) :]) <= {captioner.end}
        assert value == pytest.approx(chances[best], abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_greedy_takes_the_most_probable_word_each_time(seed: int) -> None:
    captioner, images = Tiny(seed).eval(), pictures(1)
    tokens, _ = caption(captioner, images, most=5)
    sentence: list[int] = []
    with torch.no_grad():
        while len(sentence) < 5 and captioner.end not in sentence:
            scores = captioner.say(captioner.see(images), torch.tensor([sentence], dtype=torch.int64).view(1, -1))
            sentence.append(int(scores[0, -1].argmax()))
    assert tokens[0, : len(sentence)].tolist() == sentence


def test_more_beams_find_no_less_probable_sentence() -> None:
    for seed in range(8):
        captioner, images = Tiny(seed).eval(), pictures(4)
        _, greedy = caption(captioner, images, beams=1, most=6)
        _, wide = caption(captioner, images, beams=WORDS**3, most=6)
        assert (wide >= greedy - 1e-4).all()


def test_a_batch_is_each_alone() -> None:
    captioner, images = Tiny(5).eval(), pictures(5)
    together, _ = caption(captioner, images, beams=3, most=6)
    for row, image in enumerate(images):
        alone, _ = caption(captioner, image[None], beams=3, most=6)
        assert together[row, : alone.shape[1]].tolist() == alone[0].tolist()


def test_a_sentence_that_never_ends_is_cut_off() -> None:
    captioner = Tiny(1).eval()
    with torch.no_grad():
        captioner.vocabulary.bias[captioner.end] = -1e4
    tokens, _ = caption(captioner, pictures(1), most=3)
    assert tokens.shape == (1, 4)
    assert tokens[0, -1] == captioner.end
