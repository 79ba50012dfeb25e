"""Pictures that evolve: of a parent and its mutated children the best lives on. No gradient is taken.

Nguyen, Yosinski & Clune 2015 evolve all classes at once, each keeping its best (MAP-Elites); here a class has a lineage
of its own.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Hill, Look


class Evolution:
    """Every picture is a lineage. Targets have the same mutations, so that each is what it would be alone; the copies
    of one have their own, so that they differ."""

    def __init__(
        self,
        mutated: Callable[[Tensor, float, torch.Generator], Tensor],
        strength: Callable[[int], float],
        population: int,
        bound: Callable[[Tensor], Tensor],
        copies: int = 1,
    ) -> None:
        """mutated: of the parameterization. strength: at each step. population: children of a parent. bound: what
        keeps variables in their range. copies: pictures of one target, side by side."""
        self._mutated = mutated
        self._strength = strength
        self._population = population
        self._bound = bound
        self._copies = copies

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        count, strength = len(variables), self._strength(step)
        family = [variables]
        for _ in range(self._population):
            change = self._mutated(torch.zeros_like(variables[: self._copies]), strength, generator)
            repeats = [count // self._copies, *[1] * (change.ndim - 1)]
            family.append(self._bound(variables + change.repeat(repeats)))
        rows = list(range(count)) * len(family)
        found = hill.look(torch.cat(family), rows)
        values, scores = found.values.view(len(family), count), found.scores.view(len(family), count)
        best = values.argmax(dim=0)
        each = torch.arange(count, device=best.device)
        return torch.stack(family)[best, each], Look(values[0], scores[0])

    def state(self) -> dict[str, Tensor]:
        """As Optimizer: nothing."""
        return {}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
