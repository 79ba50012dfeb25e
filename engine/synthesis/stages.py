"""Which stage a step belongs to, and what changes along the way."""

from bisect import bisect_right
from itertools import accumulate

from convscope.engine.synthesis.parameters import SynthesisParameters


class Stages:
    """The stages of a synthesis, counted in steps."""

    def __init__(self, parameters: SynthesisParameters) -> None:
        self._parameters = parameters
        self.stages = parameters.schedule()
        self._ends = list(accumulate(int(stage.share) for stage in self.stages))

    def at(self, step: int) -> int:
        """The stage of the step after `step` steps; the last one's behind the end."""
        return min(bisect_right(self._ends, step), len(self._ends) - 1)

    def begins(self, step: int) -> bool:
        """Whether that step is a stage's first."""
        return step == 0 or step in self._ends[:-1]

    def step_size(self, step: int) -> float:
        """Of that step."""
        whole = self._along(step, self._parameters.step_size, self._parameters.final_step_size)
        return whole * self._within(step, self.stages[self.at(step)].step)

    def blur(self, step: int) -> float:
        """Of the picture after that step, pixels."""
        whole = self._along(step, self._parameters.blur, self._parameters.final_blur)
        return whole * self._within(step, self.stages[self.at(step)].blur)

    def _along(self, step: int, first: float, last: float | None) -> float:
        return first if last is None else _between(first, last, step, self._parameters.steps)

    def _within(self, step: int, ends: tuple[float, float]) -> float:
        stage = self.at(step)
        length = int(self.stages[stage].share)
        return _between(*ends, step - (self._ends[stage] - length), length)


def _between(first: float, last: float, place: int, length: int) -> float:
    """From `first` at place 0 to `last` at the last of `length` places."""
    return first if length == 1 else first + (last - first) * place / (length - 1)
