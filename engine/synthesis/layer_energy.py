"""Whatever a layer sees, more of it. Mordvintsev, Olah & Tyka 2015, "Inceptionism", and their published code."""

from torch import Tensor

from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.objective import Rise


class LayerEnergy:
    """The gradient of a layer is set to its activation, which ascends half its squared norm: that is the score."""

    def __init__(self, output: LayerOutput) -> None:
        self._output = output

    def __call__(self, images: Tensor, rows: slice) -> Rise:
        """As Objective."""
        output = self._output(images)
        activation = output.detach()
        return Rise(output, activation, activation.square().flatten(1).sum(dim=1) / 2)
