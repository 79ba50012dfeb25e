"""Single values that have hurt somebody somewhere."""

from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

INTEGERS = (0, 1, 2, 3, -1, 7, 255, 256, 1000, 1001, 4096, 65_536, 2**31 - 1, -(2**31), 2**31, 2**32, 2**53 + 1)
LONG_INTEGERS = (*INTEGERS, 2**63 - 1, -(2**63), 2**62, 10**18)
FLOATS = (
    0.0, -0.0, 1.0, 0.5, 0.25, 2.0, -1.0, 1e-3, 1e6, float("nan"), float("inf"), float("-inf"), 5e-324, 1e-45, 1e-38,
    1e30, 3.4028234e38, 1e39, 1.7976931348623157e308,
)  # fmt: skip
RARELY = st.sampled_from([False] * 9 + [True])
TEXTS = (
    "", " ", "\0", "\n", "x", "x" * 129, "x" * 1001, "x" * 20_000, "猫" * 500, "\u202e\ufeff", "\U0001f98a", "e\u0301",
    "\ud7ff\ue000", "../../etc/passwd", "models/", "jobs/", "collections/", "jobs/x/artifacts/y", "%s%n{0}", "'\"\\",
    "nan", "-1", "1e999", "null", "a\tb\rc", "İ", "ß", "ﬀ",
)  # fmt: skip


@cache
def integers(low: int, high: int) -> st.SearchStrategy[int]:
    """Of a range; the ends and what is near zero are likely."""
    likely = [value for value in LONG_INTEGERS if low <= value <= high]
    return st.sampled_from([*likely, *range(max(0, low), min(10, high))]) | st.integers(low, high)


@cache
def floats() -> st.SearchStrategy[float]:
    return st.sampled_from(FLOATS) | st.floats(0, 1) | st.floats(width=32) | st.floats()


@cache
def texts(*good: str) -> st.SearchStrategy[str]:
    """Mostly a good one, where there are any."""
    bad = st.sampled_from(TEXTS) | st.text(max_size=20)
    return mostly(st.sampled_from(good), bad) if good else bad


def mostly(good: st.SearchStrategy[T], bad: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Nineteen times of twenty the good one: what comes behind it is then looked at, too."""
    # A branch each, and no two the same: of equal ones Hypothesis keeps one, and of nested ones every part.
    return st.one_of(*(good.map(_same) for _ in range(19)), bad.map(_same))


def _same(value: T) -> T:
    return value
