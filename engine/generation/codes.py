"""Codes: a layer's output for pictures, and the range that it has of real ones."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.models.model import Model
from convscope.engine.synthesis.layer_output import LayerOutput

SIGMAS = 3.0
"""DGN-AM: how many standard deviations a code may lie from the mean."""
# Of a unit that is the same for all pictures.
_STILL = 1e-6


@dataclass(frozen=True, eq=False)
class CodeRange:
    """Of real pictures' codes, each number by itself: [1, channels, height, width]. Of a grid all places have one."""

    mean: Tensor
    std: Tensor
    """Of one that never changes 1."""
    lowest: Tensor

    def standardized(self, codes: Tensor) -> Tensor:
        """Of codes as the layer gives them: standard deviations about the mean."""
        return (codes - self.mean) / self.std

    def raw(self, standardized: Tensor) -> Tensor:
        """And back."""
        return standardized * self.std + self.mean

    @property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest standardized code: three standard deviations, and nothing below what any real one has, a
        ReLU's 0 for instance."""
        lowest = self.standardized(self.lowest).clamp(min=-SIGMAS)
        return lowest, torch.full_like(lowest, SIGMAS)


def tamed(codes: Tensor) -> Tensor:
    """Standardized codes of a grid; those that are longer than real ones, full of noise for instance, as long as those:
    of so many numbers the length tells the noise."""
    return codes / codes.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1.0)


class CodeReader:
    """Looks at pictures through a network up to a layer."""

    def __init__(self, model: Model, layer: str) -> None:
        """Raises UnknownName."""
        self._output = LayerOutput(model, layer, fixed=True)
        seen = self._output.layer
        self.shape = (seen.channels, *seen.grid) if seen.grid else (prod(seen.output_shape), 1, 1)
        """Of a code: channels, height and width of the layer's grid, or a vector's length, 1 and 1."""
        self.device = model.device
        self._mean, self._std = (
            torch.tensor(values, device=model.device).view(1, 3, 1, 1)
            for values in (model.preprocessing.mean, model.preprocessing.std)
        )

    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures [N, 3, H, W], red, green and blue, 0 to 1, to raw codes [N, *shape], differentiable."""
        return self._output((pictures - self._mean) / self._std).float().reshape(len(pictures), *self.shape)


class RangeCount:
    """Adds up codes, batch after batch, to their range. In float64: millions of them are added."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device) -> None:
        self.count = torch.zeros((), dtype=torch.float64, device=device)
        self.sums, self.squares = (torch.zeros(1, shape[0], 1, 1, dtype=torch.float64, device=device) for _ in range(2))
        self.lowest = torch.full((1, shape[0], 1, 1), torch.inf, device=device)

    def add(self, codes: Tensor) -> None:
        """codes: raw, [N, *shape]."""
        exact = codes.double()
        self.count += codes.shape[0] * codes.shape[2] * codes.shape[3]
        self.sums += exact.sum(dim=(0, 2, 3), keepdim=True)
        self.squares += exact.square().sum(dim=(0, 2, 3), keepdim=True)
        self.lowest = torch.minimum(self.lowest, codes.amin(dim=(0, 2, 3), keepdim=True))

    def range(self) -> CodeRange:
        """Of all that was added. Raises InvalidInput (field `layer`) where no number ever changes, or one is not
        finite."""
        mean = self.sums / self.count
        std = (self.squares / self.count - mean.square()).clamp_min(0).sqrt()
        if not (mean.isfinite() & std.isfinite()).all():
            raise InvalidInput("the layer's output is not finite for all pictures", field="layer", reason="NOT_FINITE")
        still = std <= _STILL * (1 + mean.abs())
        if still.all():
            message = "the layer gives the same for every picture: it has no features"
            raise InvalidInput(message, field="layer", reason="NO_FEATURES")
        return CodeRange(mean.float(), torch.where(still, 1.0, std).float(), self.lowest)

    def state(self) -> dict[str, Tensor]:
        """To go on from."""
        return {"count": self.count, "sums": self.sums, "squares": self.squares, "lowest": self.lowest}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what state() gave; a KeyError or ValueError for anything else."""
        for name, mine in self.state().items():
            if state[name].shape != mine.shape:
                raise ValueError(f"{name} has another shape")
            mine.copy_(state[name])
