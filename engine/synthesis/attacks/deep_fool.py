"""The smallest change, by going to the nearest border as if borders were straight. Moosavi-Dezfooli et al. 2016,
algorithm 2."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from convscope.engine.synthesis.attacks.margin import Margin
from convscope.engine.synthesis.optimizers.optimizer import Hill, Look

CLASSES = 10
"""Borders that are looked at: those of the classes with the highest scores, as the paper does for ImageNet."""
OVERSHOOT = 0.02
DOUBLINGS, HALVINGS = 40, 8
# Of a border that is so near that rounding stands on it.
_NEAREST = 1e-4


class DeepFool:
    """All pictures of the batch are the same one, each with the border of another class."""

    def __init__(
        self, norm: Literal["linf", "l2"], original: Tensor, margin: Margin, verified: Callable[[Tensor], bool]
    ) -> None:
        """norm: whose smallest change is sought. original: [1, 3, H, W]. verified: as ProjectedAscent."""
        self._norm = norm
        self._original = original
        self._margin = margin
        self._verified = verified
        self.reached = torch.zeros_like(margin.given)
        """Whether the picture has another answer, the same for all."""

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        found = hill.climb(variables)
        assert found.gradient is not None
        if self._margin.given[0] and self._verified(variables[:1]):
            self.reached.fill_(True)
            return variables.clone(), found
        gradient = found.gradient
        absolute, gaps = gradient.abs().flatten(1), found.scores.abs() + _NEAREST
        slopes = absolute.sum(dim=1) if self._norm == "linf" else absolute.norm(dim=1)
        slopes = slopes.clamp_min(torch.finfo(slopes.dtype).tiny)
        nearest = (gaps / slopes).argmin()
        uphill, gap = gradient[nearest], (1 + OVERSHOOT) * gaps[nearest]
        way = uphill.sign() if self._norm == "linf" else uphill / slopes[nearest]
        moved = variables[0] + self._length(variables[0], way, uphill, gap) * way
        return moved.clamp(0, 255).expand_as(variables).contiguous(memory_format=torch.channels_last), found

    def _length(self, variables: Tensor, way: Tensor, uphill: Tensor, gap: Tensor) -> float:
        """How far until whole levels promise to close the gap: the exact lengths of the paper would be rounded away.
        0 where nothing rises."""
        before, rise = variables.round(), float((uphill * way).sum())
        if not rise:
            return 0.0

        def closes(length: float) -> bool:
            return bool((uphill * ((variables + length * way).round() - before)).sum() >= gap)

        short, long = 0.0, float(gap) / rise
        for _ in range(DOUBLINGS):
            if closes(long):
                break
            short, long = long, 2 * long
        for _ in range(HALVINGS):
            middle = (short + long) / 2
            short, long = (short, middle) if closes(middle) else (middle, long)
        return long

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {"reached": self.reached}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        self.reached.copy_(state["reached"])
