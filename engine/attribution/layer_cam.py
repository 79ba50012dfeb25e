"""Layer-CAM: every place of every channel has its own weight, so that early layers serve too."""

from torch import Tensor

from convscope.engine.attribution.class_activation import class_activation
from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import ClassActivationParameters


class LayerCamParameters(ClassActivationParameters):
    """Parameters of `layer_cam`."""


def layer_cam(evidence: Evidence, parameters: LayerCamParameters) -> Tensor:
    """ReLU(sum_k ReLU(dS/dA^k) A^k), place by place, [N, 1, h, w] of the layer.

    Jiang et al. 2021, "LayerCAM", equations 6 to 8.
    """
    return class_activation(evidence.layer_gradient.relu(), evidence.activation, parameters)
