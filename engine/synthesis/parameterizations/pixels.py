"""Pictures whose pixels are moved, as grey levels about the mean picture."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.engine.synthesis.grey_levels import GreyLevels
from convscope.engine.synthesis.stages import Stages

# Nguyen et al. 2015, the direct encoding: a tenth of the numbers is mutated.
MUTATED = 0.1


class Pixels:
    """A batch that starts from the mean picture, a grey or a picture, with noise or without; it grows by stages."""

    def __init__(
        self,
        levels: GreyLevels,
        stages: Stages,
        sizes: Sequence[tuple[int, int]],
        count: int,
        *,
        copies: int = 1,
        noise: float = 0.0,
        brightness: float | None = None,
        start: Tensor | None = None,
    ) -> None:
        """sizes: height and width in each stage. copies: pictures of one target, side by side; each target's have the
        same noise. noise: standard deviation. brightness: grey level instead of the mean. start: [count, 3, H, W],
        grey levels about the mean, instead of both."""
        self._levels = levels
        self._stages = stages
        self._sizes = sizes
        self._count = count
        self._copies = copies
        self._noise = noise
        self._brightness = brightness
        self._start = start

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization."""
        if self._start is not None:
            return self._start.contiguous(memory_format=torch.channels_last)
        mean = self._levels.mean
        levels = torch.zeros((self._copies, *self.shape(0)[1:]), device=mean.device)
        if self._brightness is not None:
            levels += self._brightness - mean
        if self._noise:
            levels += (self._noise * torch.randn(levels.shape, generator=generator)).to(levels.device)
        return levels.repeat(self._count // self._copies, 1, 1, 1).contiguous(memory_format=torch.channels_last)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return (self._count, 3, *self._sizes[self._stages.at(max(step - 1, 0))])

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        size = self._sizes[self._stages.at(step)]
        if size == variables.shape[2:]:
            return variables
        grown = F.interpolate(variables, size, mode="bilinear", align_corners=False)
        return grown.contiguous(memory_format=torch.channels_last)

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return self._levels.images(variables)

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return self._levels.shown(variables)

    def mutated(self, variables: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """For evolution: some of the pixels' numbers, by a Gaussian of `strength` levels."""
        chosen = torch.rand(variables.shape, generator=generator) < MUTATED
        change = strength * torch.randn(variables.shape, generator=generator) * chosen
        return variables + change.to(variables.device)
