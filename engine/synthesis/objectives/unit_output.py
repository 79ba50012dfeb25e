"""How much a channel or a neuron answers. Erhan et al. 2009; Olah et al. 2017."""

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.models.model import Model
from convscope.engine.synthesis.layer_output import LayerOutput


class UnitOutput:
    """One unit for each picture of the batch: the mean of a channel over its places, or its value at one."""

    def __init__(self, model: Model, units: Sequence[UnitTarget]) -> None:
        """units: checked against the model."""
        self._units = units
        self._outputs = {unit.layer: LayerOutput(model, unit.layer, fixed=True) for unit in units}

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        scores: dict[int, Tensor] = {}
        for layer, output in self._outputs.items():
            chosen = [place for place, row in enumerate(rows) if self._units[row].layer == layer]
            if chosen:
                values = output(images if len(chosen) == len(rows) else images[chosen])
                scores |= {
                    place: _read(value, self._units[rows[place]], output.layer.grid)
                    for place, value in zip(chosen, values, strict=True)
                }
        return torch.stack([scores[place] for place in range(len(rows))])


def _read(value: Tensor, unit: UnitTarget, grid: tuple[int, int] | None) -> Tensor:
    """value: [channels] or [channels, height, width], of one picture. grid: of one of the model's size."""
    channel = value[unit.channel]
    if unit.place is None or grid is None:
        return channel.mean()
    # A picture of another size than the model's has another grid; the place keeps its proportions there.
    row, column = (place * there // here for place, there, here in zip(unit.place, channel.shape, grid, strict=True))
    return channel[row, column]
