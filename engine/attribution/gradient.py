"""The gradient of the score by the pixels, as it is."""

from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import MethodParameters


class GradientParameters(MethodParameters):
    """Parameters of `gradient`."""


def gradient(evidence: Evidence, parameters: GradientParameters) -> Tensor:
    """dS/dI, signed, [N, 3, H, W]: the weights of the linear model that fits the network at this picture.

    S is the score before the softmax, unless the target says otherwise. Simonyan, Vedaldi & Zisserman 2013, equation 4.
    """
    return evidence.gradient
