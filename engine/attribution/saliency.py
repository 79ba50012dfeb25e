"""Saliency: how strongly the score reacts to each pixel."""

from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import MethodParameters


class SaliencyParameters(MethodParameters):
    """Parameters of `saliency`."""

    abs: bool = True
    """Take the absolute value, as the paper does; False keeps the sign of the channel whose gradient is largest."""


def saliency(evidence: Evidence, parameters: SaliencyParameters) -> Tensor:
    """M_ij = max_c |dS/dI_cij|, [N, 1, H, W].

    S is the score before the softmax, unless the target says otherwise. Simonyan, Vedaldi & Zisserman 2013, "Deep
    Inside Convolutional Networks", section 3.1. (Captum's Saliency leaves the channels apart.)
    """
    gradient = evidence.gradient
    magnitude = gradient.abs()
    if parameters.abs:
        return magnitude.amax(dim=1, keepdim=True)
    return gradient.gather(1, magnitude.argmax(dim=1, keepdim=True))
