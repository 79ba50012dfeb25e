"""XGrad-CAM: Grad-CAM whose weights are chosen so that the map adds up to the score."""

import torch
from torch import Tensor

from convscope.engine.attribution.class_activation import class_activation
from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import ClassActivationParameters


class XGradCamParameters(ClassActivationParameters):
    """Parameters of `x_grad_cam`."""


def x_grad_cam(evidence: Evidence, parameters: XGradCamParameters) -> Tensor:
    """ReLU(sum_k w_k A^k) with w_k = sum_ij (A^k_ij / sum_ab A^k_ab) dS/dA^k_ij, [N, 1, h, w] of the layer.

    Fu et al. 2020, "Axiom-based Grad-CAM", equation 8. A channel that sums to nothing has no weight.
    """
    gradient, activation = evidence.layer_gradient, evidence.activation
    total = activation.sum(dim=(2, 3), keepdim=True)
    weighted = (gradient * activation).sum(dim=(2, 3), keepdim=True)
    weights = torch.where(total == 0, 0, weighted / torch.where(total == 0, 1, total))
    return class_activation(weights, activation, parameters)
