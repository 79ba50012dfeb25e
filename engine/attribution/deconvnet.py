"""Deconvnet: the score's signal sent back through the network, rectified where the forward pass rectifies."""

from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import MethodParameters


class DeconvnetParameters(MethodParameters):
    """Parameters of `deconvnet`."""


def deconvnet(evidence: Evidence, parameters: DeconvnetParameters) -> Tensor:
    """The gradient by the pixels, passed by every ReLU and ReLU6 as R = [dL/dy > 0] dL/dy, [N, 3, H, W].

    Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", as a backward rule (Springenberg et
    al. 2014). Other activations pass it by their derivative. (Captum's Deconvolution misses functional ReLUs.)
    """
    return evidence.deconvnet
