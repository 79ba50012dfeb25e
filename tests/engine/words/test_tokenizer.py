"""Words to tokens and back."""

import pytest

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.words.tokenizer import MOST_WORDS, WordTokenizer

TOKENIZER = WordTokenizer(("a", "red", "circle"))


def test_a_sentence_comes_back() -> None:
    tokens = TOKENIZER.encode(" A red  CIRCLE. ", field="text")
    assert tokens == [1, 2, 3]
    assert TOKENIZER.decode(tokens) == ["a", "red", "circle"]


def test_words_end_at_the_end() -> None:
    assert TOKENIZER.decode([2, TOKENIZER.end, 3]) == ["red"]


@pytest.mark.parametrize("sentence", ["", "  ", "?", "."])
def test_a_sentence_has_a_word(sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        TOKENIZER.encode(sentence, field="question")
    assert (caught.value.field, caught.value.reason) == ("question", "SENTENCE_EMPTY")


def test_a_sentence_is_not_endless() -> None:
    TOKENIZER.encode("red " * MOST_WORDS, field="text")
    with pytest.raises(InvalidInput, match=f"at most {MOST_WORDS} words") as caught:
        TOKENIZER.encode("red " * (MOST_WORDS + 1), field="text")
    assert caught.value.reason == "SENTENCE_TOO_LONG"


def test_an_unknown_word_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'circel'.*circle") as caught:
        TOKENIZER.encode("a red circel", field="text")
    assert caught.value.field == "text"


@pytest.mark.parametrize("words", [("a", "A"), ("a b",), ("",)])
def test_a_vocabulary_has_each_word_once(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="each word once"):
        WordTokenizer(words)
