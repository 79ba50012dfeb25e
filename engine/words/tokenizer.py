"""Words as the numbers that a network reads and writes."""

import hashlib
from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from convscope.engine.errors import InvalidInput, UnknownName

Word = TypeVar("Word")

MOST_WORDS = 64
"""Tokens that a sentence may have."""


@runtime_checkable
class Tokenizer(Protocol):
    """What a network of words needs to know of them."""

    @property
    def end(self) -> int:
        """The token after a sentence's last word, and after that as often as a batch needs it."""

    @property
    def digest(self) -> str:
        """SHA-256 over what its tokens stand for, hex: of equal ones the same sentences are the same tokens."""

    def encode(self, sentence: str, *, field: str) -> list[int]:
        """The tokens of a sentence, without `end`. Raises InvalidInput, UnknownName (field `field`)."""

    def decode(self, tokens: Sequence[int]) -> list[str]:
        """The words up to `end`, one for each token."""


class WordTokenizer:
    """A token a word: sentences are words with spaces between them; capital and small letters are the same."""

    end = 0

    def __init__(self, words: Sequence[str]) -> None:
        """words: each once, in the order of their tokens from 1. Raises ValueError."""
        self.words = tuple(words)
        self._tokens = {word.casefold(): token for token, word in enumerate(self.words, 1)}
        if len(self._tokens) < len(self.words) or any(word.split() != [word] for word in self.words):
            raise ValueError("a vocabulary has each word once, and no spaces in it")

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def encode(self, sentence: str, *, field: str) -> list[int]:
        """A question mark or a full stop behind the last word is no part of it. Names the nearest words."""
        return [self._token(word, field) for word in check_words(sentence.strip().rstrip("?.").split(), field=field)]

    def decode(self, tokens: Sequence[int]) -> list[str]:
        spoken = list(tokens)
        if self.end in spoken:
            spoken = spoken[: spoken.index(self.end)]
        return [self.words[token - 1] for token in spoken]

    def _token(self, word: str, field: str) -> int:
        try:
            return self._tokens[word.casefold()]
        except KeyError:
            raise UnknownName("word", word, self.words, field=field) from None


def check_words(words: list[Word], *, field: str) -> list[Word]:
    """`words`, where there are some and not too many. Raises InvalidInput (SENTENCE_EMPTY, SENTENCE_TOO_LONG)."""
    if not words:
        raise InvalidInput("a sentence has at least one word", field=field, reason="SENTENCE_EMPTY")
    if len(words) > MOST_WORDS:
        message = f"a sentence has at most {MOST_WORDS} words, not {len(words)}"
        raise InvalidInput(message, field=field, reason="SENTENCE_TOO_LONG")
    return words
