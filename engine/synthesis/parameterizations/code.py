"""A picture as a code that a learned generator turns into one. Nguyen et al. 2016, "Synthesizing the preferred inputs
for neurons in neural networks via deep generator networks"."""

import torch
from torch import Tensor

from convscope.engine.generation.prior import Prior
from convscope.engine.synthesis.grey_levels import GreyLevels
from convscope.engine.synthesis.priors.bounds import Bounds


class Code:
    """Variables [N, channels, height, width]: standard deviations about the mean of real pictures' codes."""

    def __init__(
        self,
        levels: GreyLevels,
        prior: Prior,
        count: int,
        *,
        copies: int = 1,
        noise: float = 1.0,
        bounds: Bounds | None = None,
        start: Tensor | None = None,
        cleaned: bool = False,
    ) -> None:
        """copies: pictures of one target, side by side; each target's start from the same codes. noise: standard
        deviation of the start, in those of real codes. bounds: within which it starts. start: pictures'
        codes, [count, channels, height, width], in place of the noise. cleaned: whether pictures are made
        of denoised codes."""
        self._levels = levels
        self._prior = prior
        self._count, self._copies = count, copies
        self._noise = noise
        self._bounds = bounds
        self._start = start
        self._cleaned = cleaned

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization."""
        codes = self._drawn(generator) if self._start is None else self._start
        codes = codes if self._bounds is None else self._bounds(0, codes, None)
        return codes.contiguous(memory_format=torch.channels_last)

    def _drawn(self, generator: torch.Generator) -> Tensor:
        codes = self._noise * torch.randn((self._copies, *self.shape(0)[1:]), generator=generator)
        return codes.to(self._levels.mean.device).repeat(self._count // self._copies, 1, 1, 1)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return (self._count, *self._prior.card.generator.code)

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        levels = 255 * self.shown(variables) - self._levels.mean
        return self._levels.images(levels).contiguous(memory_format=torch.channels_last)

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return self._prior.pictures(self._prior.denoiser(variables) if self._cleaned else variables)

    def mutated(self, variables: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """For evolution: every number, by a Gaussian."""
        return variables + (strength * torch.randn(variables.shape, generator=generator)).to(variables)
