"""Codes that wander where real ones are likely and the condition holds: the sampler of Nguyen et al. 2017, "Plug & Play
Generative Networks", equation 5, a Metropolis-adjusted Langevin walk without the adjustment; and the same with noise
that falls (Song & Ermon 2019), again and again (Zhang et al. 2020, "Cyclical Stochastic Gradient MCMC")."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Hill, Look


@dataclass(frozen=True)
class Pace:
    """What a step does."""

    denoising: float
    """epsilon1."""
    factor: float
    """Of the gradient: epsilon2."""
    wandering: float
    """epsilon3."""
    begins: float = 0.0
    """Noise that comes over the denoised code before it: a cycle begins. 0: none does."""


class Steady:
    """Every step alike."""

    def __init__(self, denoising: float, wandering: float, step_size: Callable[[int], float], every: int) -> None:
        """step_size: epsilon2 at each step. every: steps from one link of the chain to the next."""
        self._denoising, self._wandering = denoising, wandering
        self._step_size = step_size
        self._every = every

    def at(self, step: int) -> Pace:
        """Of the step after `step` steps."""
        return Pace(self._denoising, self._step_size(step), self._wandering)

    def links(self, step: int) -> bool:
        """Whether what that step leads to is kept."""
        return (step + 1) % self._every == 0

    def chooses(self, step: int) -> bool:
        """Whether it is the last one, after which the walk goes to the best link."""
        return False


class Annealed:
    """In each cycle the noise in the code falls from `highest` to `lowest`, in its logarithm evenly: how far a step
    goes towards the denoised code, and how much noise it adds, follow from that (Song et al. 2021, ancestral
    sampling)."""

    def __init__(
        self,
        highest: float,
        lowest: float,
        cycles: int,
        steps: int,
        step_size: Callable[[int], float],
        *,
        power: int = 2,
    ) -> None:
        """highest, lowest: standard deviations. steps: of all cycles. step_size: of the gradient, over the noise's
        standard deviation to that power: 2, or 1 where the gradient has one length throughout."""
        self._highest, self._lowest = highest, lowest
        self._ends = [round(steps * (cycle + 1) / cycles) for cycle in range(cycles)]
        self._step_size = step_size
        self._power = power

    def at(self, step: int) -> Pace:
        """As Steady."""
        first, end = self._cycle(step)
        ratio = (self._lowest / self._highest) ** (1 / max(1, end - first - 1))
        level = self._highest * ratio ** (step - first)
        part = 1 - ratio**2 if end - first > 1 else 1.0
        last = step == end - 1
        wandering = 0.0 if last else ratio * part**0.5 * level
        begins = self._highest if step == first > 0 else 0.0
        return Pace(part, part * self._step_size(step) * level**self._power, wandering, begins)

    def links(self, step: int) -> bool:
        """As Steady: where a cycle ends."""
        return step + 1 in self._ends

    def chooses(self, step: int) -> bool:
        """As Steady: links are samples, of which some are of a neighbour of what was asked for."""
        return step + 1 == self._ends[-1]

    def _cycle(self, step: int) -> tuple[int, int]:
        """The first step of a step's cycle, and the first one behind it."""
        end = next(end for end in self._ends if step < end)
        place = self._ends.index(end)
        return (self._ends[place - 1] if place else 0), end


class Langevin:
    """h + epsilon1 (R(h) - h) + epsilon2 dlog p(y|h)/dh + N(0, epsilon3^2), and remembers the way. Targets have the
    same noise, so that each is what it would be alone; the copies of one have their own, so that they differ."""

    def __init__(
        self,
        denoised: Callable[[Tensor], Tensor],
        paces: Steady | Annealed,
        bound: Callable[[Tensor], Tensor],
        *,
        variables: Tensor,
        copies: int = 1,
    ) -> None:
        """denoised: R. bound: what keeps codes in their range. variables: in the shape of those that it will move.
        copies: pictures of one target, side by side."""
        self._denoised = denoised
        self._paces = paces
        self._bound = bound
        self._copies = copies
        self.chain = variables.new_empty(0, *variables.shape)
        """Codes on the way, [links, N, channels, height, width]."""

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        pace = self._paces.at(step)
        if pace.begins:
            variables = self._denoised(variables).add(self._drawn(variables, generator), alpha=pace.begins)
        found = hill.climb(variables)
        assert found.gradient is not None
        moved = variables.add(found.gradient, alpha=pace.factor)
        if pace.denoising:
            moved = moved.add(self._denoised(variables) - variables, alpha=pace.denoising)
        # Drawn also where it weighs nothing, so that chains of all weights draw alike.
        moved = self._bound(moved.add(self._drawn(variables, generator), alpha=pace.wandering))
        if self._paces.links(step):
            self.chain = torch.cat([self.chain, moved[None]])
        return self._best(hill, moved, found) if self._paces.chooses(step) else (moved, found)

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {"chain": self.chain}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        chain = state["chain"]
        if chain.shape[1:] != variables.shape:
            raise ValueError("the chain has another shape than the variables")
        self.chain = chain.to(variables)

    def _best(self, hill: Hill, last: Tensor, found: Look) -> tuple[Tensor, Look]:
        """Of each picture the link that is highest, and how high that is."""
        pictures = list(range(self.chain.shape[1]))
        links = self.chain.contiguous()  # as a checkpoint gives it
        looks = [hill.look(link, pictures) for link in links]
        values, scores = torch.stack([look.values for look in looks]), torch.stack([look.scores for look in looks])
        best = values.nan_to_num(nan=-inf).argmax(dim=0)
        chosen = torch.empty_like(last).copy_(links[best, pictures])  # laid out as it would be after another step
        return chosen, replace(found, values=values[best, pictures], scores=scores[best, pictures])

    def _drawn(self, variables: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn((self._copies, *variables.shape[1:]), generator=generator).to(variables)
        return noise.repeat(len(variables) // self._copies, *[1] * (variables.ndim - 1))
