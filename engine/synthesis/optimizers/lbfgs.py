"""Limited-memory BFGS: the way uphill by the curvature that the last steps have seen. Nocedal & Wright 2006, 7.2."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Hill, Look

MEMORY = 10
# Of the step's length times the gradient's change: below that the curvature is rounding.
_FLAT = 1e-10
# The first step has seen no curvature: its largest change.
_FIRST = 1.0


class Lbfgs:
    """Every picture has a curvature of its own. Without a line search: a step is the direction times the step size, and
    half of it, and so on, until the value rises, at most HALVINGS times."""

    HALVINGS = 6

    def __init__(self, step_size: Callable[[int], float], variables: Tensor, bound: Callable[[Tensor], Tensor]) -> None:
        """step_size: at each step. bound: what keeps variables in their range."""
        self._step_size = step_size
        self._bound = bound
        count, length = len(variables), variables[0].numel()
        # Of the last steps, the newest last; zeros for those that were not taken, or saw no curvature.
        self._moves, self._turns = (
            torch.zeros(MEMORY, count, length, dtype=variables.dtype, device=variables.device) for _ in range(2)
        )
        self._last_place = torch.zeros(count, length, dtype=variables.dtype, device=variables.device)
        self._last_gradient = torch.zeros_like(self._last_place)

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        found = hill.climb(variables)
        assert found.gradient is not None
        place, gradient = variables.flatten(1), found.gradient.flatten(1)
        remembered = self._moves, self._turns
        if step:
            self._remember(place - self._last_place, self._last_gradient - gradient)
        direction = self._direction(gradient).view_as(variables)
        try:
            moved = self._moved(variables, direction, self._step_size(step), found, hill)
        except BaseException:
            # The step can be taken again.
            self._moves, self._turns = remembered
            raise
        self._last_place, self._last_gradient = place.clone(), gradient.clone()
        return moved, found

    def _remember(self, move: Tensor, turn: Tensor) -> None:
        curvature = (move * turn).sum(dim=1, keepdim=True)
        curved = curvature > _FLAT * move.norm(dim=1, keepdim=True) * turn.norm(dim=1, keepdim=True)
        curved &= curvature > 0
        self._moves = torch.cat([self._moves[1:], (move * curved)[None]])
        self._turns = torch.cat([self._turns[1:], (turn * curved)[None]])

    def _direction(self, gradient: Tensor) -> Tensor:
        """The two loops of algorithm 7.4, for all pictures at once."""
        curvatures = (self._moves * self._turns).sum(dim=2, keepdim=True)
        inverse = torch.where(curvatures > 0, 1 / curvatures, 0)
        direction, weights = gradient, [torch.empty(0)] * MEMORY
        for age in reversed(range(MEMORY)):
            weights[age] = inverse[age] * (self._moves[age] * direction).sum(dim=1, keepdim=True)
            direction = direction - weights[age] * self._turns[age]
        direction = direction * self._scale(curvatures, gradient)
        for age in range(MEMORY):
            back = inverse[age] * (self._turns[age] * direction).sum(dim=1, keepdim=True)
            direction = direction + self._moves[age] * (weights[age] - back)
        return direction

    def _scale(self, curvatures: Tensor, gradient: Tensor) -> Tensor:
        """Of the first guess: the newest curvature (equation 7.20); before there is any, so that the step is short."""
        scale = _FIRST / gradient.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
        for age in range(MEMORY):
            squares = self._turns[age].square().sum(dim=1, keepdim=True)
            scale = torch.where(curvatures[age] > 0, curvatures[age] / squares.clamp_min(1e-38), scale)
        return scale

    def _moved(self, variables: Tensor, direction: Tensor, length: float, found: Look, hill: Hill) -> Tensor:
        """Where the value is higher; a picture that finds no such place along its direction stays."""
        rows = list(range(len(variables)))
        result, left = variables.clone(), torch.ones(len(rows), dtype=torch.bool, device=variables.device)
        for halving in range(self.HALVINGS + 1):
            tried = self._bound(variables.add(direction, alpha=length / 2**halving))
            better = left & (hill.look(tried, rows).values > found.values)
            result[better] = tried[better]
            left &= ~better
            if not left.any():
                break
        return result

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {
            "moves": self._moves,
            "turns": self._turns,
            "last_place": self._last_place,
            "last_gradient": self._last_gradient,
        }

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        mine = self.state()
        for name, tensor in mine.items():
            if state[name].shape != tensor.shape:
                raise ValueError(f"{name} has another shape")
            tensor.copy_(state[name])
