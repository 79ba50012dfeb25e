"""RISE: the score of the picture seen through random masks, laid back on what each let through."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.forward_pass import ForwardPass
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.parameters import MethodParameters, Seed


class RiseParameters(MethodParameters):
    """Parameters of `rise`."""

    masks: int = Field(default=1000, ge=1, le=100_000)
    """Random masks; the paper uses 4000 for VGG and 8000 for ResNet."""
    cells: int = Field(default=7, ge=2, le=64)
    """Cells along each side of the small grid that a mask is drawn on."""
    probability: float = Field(default=0.5, gt=0, lt=1)
    """That a cell lets the picture through."""
    seed: Seed = 0
    """Of the masks."""


def rise(batch: Batch, parameters: RiseParameters) -> Attribution:
    """1 / (n p) sum_i f(x o M_i) M_i, [N, 1, H, W], with f the probability unless the target says otherwise.

    Petsiuk, Das & Saenko 2018, "RISE", equation 6 and section 3.2: a mask is a binary grid, upsampled bilinearly and
    shifted at random. Costs `masks` forward passes.
    """
    batch = batch.reading("probability")
    run = ForwardPass(batch.module, batch.images, batch.layers, observe=batch.observed)
    batch = batch.with_targets(batch.targets.resolve(run.scores))
    masks = RandomMasks(parameters, batch.images)
    count = len(batch)
    total = torch.zeros_like(batch.images[:, :1], dtype=torch.float64)

    def look(rows: range) -> None:
        of = [row % count for row in rows]
        through = masks.take([row // count for row in rows])
        seen = batch.values(batch.images[of] * through, of).double()
        total.index_add_(0, torch.tensor(of, device=total.device), through.double() * seen.view(-1, 1, 1, 1))

    in_inner_batches(batch, count * parameters.masks, look, gradients=False)
    values = total / (parameters.masks * parameters.probability)
    dtype = torch.promote_types(run.scores.dtype, torch.float32)
    return Attribution(values.to(dtype), run.scores, batch.targets, run.values(batch.targets))


class RandomMasks:
    """Masks by number, which depend on the seed and their number only, so that none need be kept."""

    def __init__(self, parameters: RiseParameters, images: Tensor) -> None:
        self._parameters = parameters
        self._images = images
        self._cell = [-(-length // parameters.cells) for length in images.shape[2:]]

    def take(self, numbers: list[int]) -> Tensor:
        """Masks of 0 to 1, [len(numbers), 1, H, W]."""
        height, width = self._images.shape[2:]
        cells = self._parameters.cells
        grids, tops, lefts = zip(*map(self._draw, numbers), strict=True)
        large = F.interpolate(
            torch.from_numpy(np.stack(grids)).unsqueeze(1).to(self._images),
            [(cells + 1) * cell for cell in self._cell],
            mode="bilinear",
        )
        masks = zip(large, tops, lefts, strict=True)
        return torch.stack([mask[:, top : top + height, left : left + width] for mask, top, left in masks])

    def _draw(self, number: int) -> tuple[NDArray[np.bool_], int, int]:
        """A grid, true where it lets the picture through, and how far it is shifted."""
        random = np.random.default_rng((self._parameters.seed, number))
        grid = random.random((self._parameters.cells,) * 2) < self._parameters.probability
        top, left = random.integers(self._cell).tolist()
        return grid, top, left
