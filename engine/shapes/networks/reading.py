"""Pictures and sentences of the small world as the networks take them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.shapes.scene import SIDE
from convscope.engine.shapes.vocabulary import CAPTION_WORDS, QUESTION_WORDS
from convscope.engine.words.tokenizer import WordTokenizer

PREPROCESSING = Preprocessing(resize=SIDE, height=SIDE, width=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)
CAPTIONS = WordTokenizer(CAPTION_WORDS)
QUESTIONS = WordTokenizer(QUESTION_WORDS)


def tokens(sentences: Sequence[str], tokenizer: WordTokenizer) -> Tensor:
    """[N, L], with the token of the end behind each."""
    each = [[*tokenizer.encode(sentence, field="sentence"), tokenizer.end] for sentence in sentences]
    length = max(map(len, each))
    return torch.tensor([[*sentence, *[tokenizer.end] * (length - len(sentence))] for sentence in each])
