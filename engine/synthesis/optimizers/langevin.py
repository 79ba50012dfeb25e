"""Codes that wander where real ones are likely and the condition holds: the sampler of Nguyen et al. 2017, "Plug & Play
Generative Networks", equation 5, a Metropolis-adjusted Langevin walk without the adjustment."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.synthesis.optimizers.optimizer import Hill, Look


class Langevin:
    """h + epsilon1 (R(h) - h) + epsilon2 dlog p(y|h)/dh + N(0, epsilon3^2), and remembers the way. Targets have the
    same noise, so that each is what it would be alone; the copies of one have their own, so that they differ."""

    def __init__(
        self,
        denoised: Callable[[Tensor], Tensor],
        step_size: Callable[[int], float],
        bound: Callable[[Tensor], Tensor],
        *,
        denoising: float,
        noise: float,
        every: int,
        variables: Tensor,
        copies: int = 1,
    ) -> None:
        """denoised: R. step_size: epsilon2 at each step. bound: what keeps codes in their range. denoising: epsilon1.
        noise: epsilon3. every: steps from one link of the chain to the next. variables: in the shape of those that it
        will move. copies: pictures of one target, side by side."""
        self._denoised = denoised
        self._step_size = step_size
        self._bound = bound
        self._denoising = denoising
        self._noise = noise
        self._every = every
        self._copies = copies
        self.chain = variables.new_empty(0, *variables.shape)
        """Codes on the way, [links, N, channels, height, width]."""

    def step(self, step: int, variables: Tensor, hill: Hill, generator: torch.Generator) -> tuple[Tensor, Look]:
        """As Optimizer."""
        found = hill.climb(variables)
        assert found.gradient is not None
        moved = variables.add(found.gradient, alpha=self._step_size(step))
        if self._denoising:
            moved = moved.add(self._denoised(variables) - variables, alpha=self._denoising)
        # Drawn also where it weighs nothing, so that chains of all weights draw alike.
        noise = torch.randn((self._copies, *variables.shape[1:]), generator=generator).to(variables)
        repeats = [len(variables) // self._copies, *[1] * (variables.ndim - 1)]
        moved = self._bound(moved.add(noise.repeat(repeats), alpha=self._noise))
        if (step + 1) % self._every == 0:
            self.chain = torch.cat([self.chain, moved[None]])
        return moved, found

    def state(self) -> dict[str, Tensor]:
        """As Optimizer."""
        return {"chain": self.chain}

    def restore(self, state: dict[str, Tensor], variables: Tensor) -> None:
        """As Optimizer."""
        chain = state["chain"]
        if chain.shape[1:] != variables.shape:
            raise ValueError("the chain has another shape than the variables")
        self.chain = chain.to(variables)
