"""The pixels on which a place in a layer depends."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.box import Box
from convscope.engine.inspection.activations import activations
from convscope.engine.inspection.reach import ReachTracking
from convscope.engine.models.model import Model


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """For each place of a layer the smallest box around all pixels of the network's input on which it depends."""

    boxes: NDArray[np.int64]
    """[height, width, 4], height and width those of the layer's grid, 1 where it has none: left, top, right, bottom;
    pixels, right and bottom just outside. All zero for a place that depends on no pixel, as one in the padding."""
    unknown: str
    """An operation on the way whose result could depend on anything, so that boxes may be too large; empty where they
    are exact."""

    @property
    def exact(self) -> bool:
        """Whether no box is larger than it must be."""
        return not self.unknown

    def box(self, place: tuple[int, int] | None = None) -> Box:
        """The box of a place, (row, column) in the layer's grid; None: the box around those of all places.

        Raises InvalidInput (OUT_OF_RANGE, field `place`).
        """
        if place is None:
            filled = self.boxes[self.boxes[..., 2] > self.boxes[..., 0]]
            if not len(filled):
                return 0, 0, 0, 0
            left, top = filled[:, :2].min(axis=0)
            right, bottom = filled[:, 2:].max(axis=0)
        else:
            height, width = self.boxes.shape[:2]
            if not (0 <= place[0] < height and 0 <= place[1] < width):
                message = f"the layer's grid has {height} rows and {width} columns; there is no place {place}"
                raise InvalidInput(message, field="place", reason="OUT_OF_RANGE")
            left, top, right, bottom = self.boxes[place]
        return int(left), int(top), int(right), int(bottom)


def receptive_field(model: Model, layer: str) -> ReceptiveField:
    """Of each place of a layer, over all channels, for pictures of the model's size: borders and all.

    It follows one pass, on zeros, from operation to operation, so it does not matter how the network is written.
    Padding depends on nothing. A pixel counts if it can make a difference for some weights and some picture. Where an
    operation is not known, the whole picture is taken for what it depends on, and `unknown` names it. Of a layer that
    runs several times the last run counts.

    Raises UnknownName; MethodUnsupported for a layer that the pass did not run.
    """
    grid = model.layers.layer(layer).grid
    height, width = model.preprocessing.height, model.preprocessing.width
    # In inference mode PyTorch does not take operations apart.
    with torch.inference_mode(False):
        image = torch.zeros(1, 3, height, width, device=model.device)
        with ReachTracking(image) as tracking:
            output = activations(model, image, [layer])[layer]
            reach = tracking.reach(output)
    if reach is None:
        whole = np.full((*(grid or (1, 1)), 4), [0, 0, width, height])
        return ReceptiveField(whole, "no operation on the picture")
    dims = (0, 1) if grid else tuple(range(output.ndim))
    sides = [side.amax(dims, keepdim=not grid).reshape(grid or (1, 1)) for side in reach.sides]
    boxes = torch.stack(sides, dim=-1).numpy() * [-1, -1, 1, 1]
    boxes[np.isinf(boxes)] = 0
    return ReceptiveField(boxes.astype(np.int64), reach.unknown)
