"""What was sent, and what came of it."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Row:
    """One target."""

    inputs: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)


class Tally:
    """Inputs, seconds and outcomes by target; and what the servers held before and after."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, Row] = defaultdict(Row)
        self.notes: list[str] = []

    @contextmanager
    def counted(self, target: str) -> Iterator[None]:
        """One input, and the time that it takes."""
        row, begun = self.rows[target], time.perf_counter()
        row.inputs += 1
        try:
            yield
        finally:
            row.seconds += time.perf_counter() - begun

    def note(self, target: str, outcome: str) -> None:
        """What came of it; of a stream several things."""
        self.rows[target].outcomes[outcome] += 1

    def lines(self) -> list[str]:
        """A table for people."""
        found = [f"{'target':<24}{'inputs':>8}{'seconds':>9}  outcomes"]
        for target, row in self.rows.items():
            outcomes = ", ".join(f"{name} {count}" for name, count in row.outcomes.most_common())
            found.append(f"{target:<24}{row.inputs:>8}{row.seconds:>9.1f}  {outcomes}")
        inputs, seconds = (sum(getattr(row, name) for row in self.rows.values()) for name in ("inputs", "seconds"))
        return [*found, f"{'all':<24}{inputs:>8}{seconds:>9.1f}", *self.notes]


TALLY = Tally()
