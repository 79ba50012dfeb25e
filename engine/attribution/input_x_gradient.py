"""Input x gradient: what each pixel adds to the score in the linear model that fits the network here."""

from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import MethodParameters


class InputXGradientParameters(MethodParameters):
    """Parameters of `input_x_gradient`."""


def input_x_gradient(evidence: Evidence, parameters: InputXGradientParameters) -> Tensor:
    """x dS/dx, [N, 3, H, W], with x the network's preprocessed input.

    The terms of <w, x> in the first-order Taylor expansion S(x) = <w, x> + b. Shrikumar et al. 2016, "Not just a
    black box".
    """
    return evidence.images * evidence.gradient
