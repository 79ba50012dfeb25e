"""When two answers are the same."""

import re

ARTICLES = ("a", "an", "the")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def same(given: str, truth: str) -> bool:
    """As VQA counts them (Antol et al. 2015): capitals, articles and punctuation do not matter, and numbers may be
    words."""
    return _plain(given) == _plain(truth)


def _plain(answer: str) -> list[str]:
    words = re.findall(r"\w+", answer.casefold())
    said = [word for word in words if word not in ARTICLES] or words
    return [str(NUMBERS.index(word)) if word in NUMBERS else word for word in said]
