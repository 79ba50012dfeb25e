"""A picture as a code that a learned generator turns into one. Nguyen et al. 2016, "Synthesizing the preferred inputs
for neurons in neural networks via deep generator networks"."""

from collections import deque

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
        self._clean: deque[tuple[Tensor, int, Tensor]] = deque(maxlen=count)
        """Codes that a gradient was wanted of, what version of them, and what R makes of them."""

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
        if not self._cleaned:
            return self._prior.pictures(variables)
        clean: Tensor = self._prior.denoiser(variables)
        if variables.requires_grad:
            self._clean.append((variables.detach(), variables._version, clean.detach()))
        return self._prior.pictures(clean)

    @torch.no_grad()
    def denoised(self, variables: Tensor) -> Tensor:
        """What R makes of codes, which costs nothing where images() has just been asked for a gradient of them."""
        while self._clean:
            codes, version, clean = self._clean.popleft()
            same = codes.data_ptr() == variables.data_ptr() and codes.shape == variables.shape
            if same and version == variables._version:
                return clean
        found: Tensor = self._prior.denoiser(variables)
        return found

    def mutated(self, variables: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """For evolution: every number, by a Gaussian."""
        return variables + (strength * torch.randn(variables.shape, generator=generator)).to(variables)
