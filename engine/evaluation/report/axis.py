"""Numbers along a line of pixels."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from convscope.engine.evaluation.report.numerals import MINUS

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """One with round numbers at both ends."""

    ticks: tuple[float, ...]
    """In their order, at equal steps."""
    start: float
    """Pixels, where the first tick is."""
    end: float
    """Pixels, where the last is; before `start` on an axis that goes up."""

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float) -> "Axis":
        """Around 0 and all values that are finite; of nothing but zeros 0 to 1."""
        finite = [0.0, *(value for value in values if isfinite(value))]
        low, high = min(finite), max(finite)
        if low == high:
            high = 1.0
        step = _step((high - low) / (MOST_TICKS - 1))
        # What rounding puts a hair above a tick is on it.
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        return cls(tuple(number * step for number in range(first, last + 1)), start, end)

    def place(self, value: float) -> float:
        """Pixels."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def words(self, tick: float) -> str:
        """A tick with as many decimals as all of them need."""
        step = self.ticks[1] - self.ticks[0]
        if not 1e-4 <= step < 1e5:
            return f"{tick:.3g}".replace("-", MINUS)
        decimals = next((some for some in range(6) if abs(round(step, some) - step) < step * 1e-6), 6)
        return f"{tick:.{decimals}f}".replace("-", MINUS)


def _step(least: float) -> float:
    """The next round number."""
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))
