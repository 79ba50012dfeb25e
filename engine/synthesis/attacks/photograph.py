"""A whole picture of 8 bits, seen as the model sees every file."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.models.model import Model
from convscope.engine.synthesis.grey_levels import GreyLevels

# Rows that Pillow is asked at once: a side of 200,000 pixels then takes 50 MB and not 160 GB.
IMPULSES = 64


class Photograph:
    """Variables are grey levels, 0 to 255, [restarts, 3, H, W]. The network sees them rounded, scaled and cropped; the
    gradient passes as if nothing was rounded, so that what fools in the loop fools as a file."""

    def __init__(self, model: Model, picture: Image.Image, count: int, rounded: Callable[[Tensor], Tensor]) -> None:
        """picture: RGB. count: of attacks side by side. rounded: levels to whole ones that may be saved."""
        self._rounded = rounded
        self._levels = GreyLevels(model.preprocessing, model.device)
        self.original = _pixels(picture).to(self._levels.mean)
        self._count = count
        region = model.preprocessing.region(*picture.size)
        size = model.preprocessing.width, model.preprocessing.height
        resampling = Image.Resampling[model.preprocessing.interpolation.upper()]
        self._columns, self._rows = (
            torch.from_numpy(_weights(length, wanted, begin, end, resampling)).to(self._levels.mean)
            for length, wanted, begin, end in zip(picture.size, size, region[:2], region[2:], strict=True)
        )
        self.seen = self._rows.any(dim=1).view(1, 1, -1, 1) & self._columns.any(dim=1)
        """Which pixels the network sees anything of, [1, 1, H, W]."""
        self._whole = picture.size == size and region == (0, 0, *size)

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization: the picture itself."""
        return self.original.repeat(self._count, 1, 1, 1).contiguous(memory_format=torch.channels_last)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return (self._count, *self.original.shape[1:])

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        levels = _straight_through(variables, self._rounded(variables.detach()))
        if not self._whole:
            scaled = self._rows.T @ levels @ self._columns
            levels = _straight_through(scaled, scaled.detach().round().clamp(0, 255))
        return self._levels.images(levels - self._levels.mean).contiguous(memory_format=torch.channels_last)

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization: what is saved."""
        return self._rounded(variables) / 255


def _straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    return exact + (rounded - exact.detach())


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).unsqueeze(0)


def _weights(length: int, wanted: int, begin: float, end: float, resampling: Image.Resampling) -> NDArray[np.float32]:
    """[length, wanted]: how Pillow scales a row from `begin` to `end` to `wanted` pixels; found by asking it."""
    weights = np.zeros((length, wanted), dtype=np.float32)
    for first in range(0, length, IMPULSES):
        count = min(IMPULSES, length - first)
        impulses = Image.fromarray(np.eye(count, length, first, dtype=np.float32))
        weights[first : first + count] = np.asarray(
            impulses.resize((wanted, count), resampling, box=(begin, 0, end, count))
        )
    return weights
