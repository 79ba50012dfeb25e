"""A picture as a small network from coordinates to colours: a compositional pattern-producing network.

Stanley 2007; Nguyen, Yosinski & Clune 2015 evolve them, Olah et al. 2017 train them. Theirs of 2015 grow (NEAT); these
have a fixed shape, and evolution changes their weights.
"""

import torch
from torch import Tensor

from convscope.engine.synthesis.grey_levels import GreyLevels

LAYERS, WIDTH = 4, 16
# Sine, Gaussian and arc tangent of each unit: repetition, symmetry and edges.
_ACTIVATIONS = 3
# Coordinates have a variance of 1, as lucid's.
_REACH = 3**0.5
# A mutation changes so many of the weights.
MUTATED = 0.2


class Cppn:
    """Variables [N, weights]. A sigmoid keeps every pixel between black and white."""

    def __init__(
        self, levels: GreyLevels, size: tuple[int, int], count: int, *, copies: int = 1, noise: float = 1.0
    ) -> None:
        """As Pixels. noise: standard deviation of the weights, over the root of how many a unit sums."""
        self._levels = levels
        self._count, self._copies = count, copies
        self._noise = noise
        self._size = size
        device = levels.mean.device
        rows, columns = (torch.linspace(-_REACH, _REACH, side, device=device) for side in size)
        down, right = torch.meshgrid(rows, columns, indexing="ij")
        inputs = [down, right, (down.square() + right.square()).sqrt()]
        self._inputs = torch.stack(inputs, dim=-1).flatten(0, 1)  # [places, 3]
        widths = [3, *[WIDTH * _ACTIVATIONS] * LAYERS]
        self._shapes = [(width + 1, WIDTH) for width in widths[:-1]] + [(widths[-1] + 1, 3)]
        self._lengths = [rows * columns for rows, columns in self._shapes]

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization."""
        parts = [
            self._noise * torch.randn((self._copies, length), generator=generator) / (shape[0] - 1) ** 0.5
            for length, shape in zip(self._lengths, self._shapes, strict=True)
        ]
        return torch.cat(parts, dim=1).repeat(self._count // self._copies, 1).to(self._inputs.device)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return (self._count, sum(self._lengths))

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        levels = 255 * self.shown(variables) - self._levels.mean
        return self._levels.images(levels).contiguous(memory_format=torch.channels_last)

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        values = self._inputs.expand(len(variables), -1, -1)
        *hidden, last = torch.split(variables, self._lengths, dim=1)
        for weights, shape in zip(hidden, self._shapes, strict=False):
            sums = _weighted(values, weights.view(-1, *shape))
            values = torch.cat([sums.sin(), (-sums.square()).exp(), sums.atan()], dim=2)
        colours = _weighted(values, last.view(-1, *self._shapes[-1])).sigmoid()
        return colours.transpose(1, 2).reshape(-1, 3, *self._size)

    def mutated(self, variables: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """For evolution: some of the weights, by a Gaussian."""
        chosen = torch.rand(variables.shape, generator=generator) < MUTATED
        change = strength * torch.randn(variables.shape, generator=generator) * chosen
        return variables + change.to(variables.device)


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    """[N, places, inputs] by [N, inputs + 1, outputs], the last row for a bias."""
    return torch.baddbmm(weights[:, -1:], values, weights[:, :-1])
