"""Whatever a layer sees, more of it. Mordvintsev, Olah & Tyka 2015, "Inceptionism", and their published code."""

from collections.abc import Sequence

from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput


class LayerEnergy:
    """Half the squared norm of a layer's output, whose gradient there is the activation itself."""

    def __init__(self, output: LayerOutput) -> None:
        self._output = output

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        """As Objective."""
        return self._output(images).square().flatten(1).sum(dim=1) / 2
