"""Steps of one length, back into a ball after each. Goodfellow et al. 2015; Kurakin et al. 2017; Madry et al. 2018."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.attacks.answer import Answer
from convscope.engine.synthesis.attacks.ball import Ball
from convscope.engine.synthesis.optimizers.optimizer import Hill, Look


class ProjectedAscent:
    """A picture that has the wanted answer, also as a file, stays where it is."""

    def __init__(
        self, step_size: float, ball: Ball, original: Tensor, answer: Answer, verified: Callable[[Tensor], bool]
    ) -> None:
        """step_size: grey levels, in the ball's norm. verified: whether the file of a picture, [1, 3, H, W], has the
        answer."""
        self._step_size = step_size
        self._ball = ball
        self._original = original
        self._answer = answer
        self._verified = verified
        self.reached = torch.zeros_like(answer.given)
        """Which of the pictures have the answer."""

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        found = hill.climb(variables)
        assert found.gradient is not None
        for row in self._answer.given.nonzero().flatten().tolist():
            self.reached[row] = self._verified(variables[row : row + 1])
        moved = variables + self._step_size * self._ball.steepest(found.gradient)
        moved = self._ball.inside(moved, self._original)
        return torch.where(self.reached.view(-1, 1, 1, 1), variables, moved), found

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {"reached": self.reached}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        self.reached.copy_(state["reached"])
