"""Numbers as people read them."""

from math import floor, isfinite, log10

MINUS, TIMES, DASH = "\u2212", "\u00d7", "\u2013"
_RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
LARGE, SMALL = 1e5, 1e-3
"""From and below which a power of ten is taken out."""
MOST_DECIMALS = 6


def numeral(value: float | None) -> str:
    """Three figures, or a dash for what has no value."""
    return DASH if value is None else estimate(value, None)


def estimate(mean: float, error: float | None) -> str:
    """A mean as exact as its error, which has two figures: `0.423 ± 0.031`; without one to three figures or decimals.

    error: its standard error, from 0; None: there is none.
    """
    largest = max(abs(mean), error or 0.0)
    if not isfinite(largest):
        return DASH
    if largest >= LARGE or 0 < largest < SMALL:
        power = floor(log10(largest))
        written = estimate(mean / 10.0**power, None if error is None else error / 10.0**power)
        return f"{written if error is None else f'({written})'} {TIMES} 10{_raised(power)}"
    if not error or error < largest * 10.0**-MOST_DECIMALS:
        decimals = 3 if largest < 1 else max(0, 2 - floor(log10(largest)))
    else:
        decimals = min(MOST_DECIMALS, max(0, 1 - floor(log10(error))))
    written = _signed(f"{mean:.{decimals}f}")
    return written if error is None else f"{written} ± {error:.{decimals}f}"


def _signed(written: str) -> str:
    """With a minus as long as a plus; none before what is 0 as it is written."""
    return written.removeprefix("-") if not written.strip("-0.") else written.replace("-", MINUS)


def _raised(power: int) -> str:
    return str(power).translate(_RAISED)
