"""Grad-CAM++: Grad-CAM that weighs each place, for classes that stand in several."""

import torch
from torch import Tensor

from convscope.engine.attribution.class_activation import class_activation
from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import ClassActivationParameters


class GradCamPlusPlusParameters(ClassActivationParameters):
    """Parameters of `grad_cam_plus_plus`."""


def grad_cam_plus_plus(evidence: Evidence, parameters: GradCamPlusPlusParameters) -> Tensor:
    """ReLU(sum_k w_k A^k) with w_k = sum_ij alpha^k_ij ReLU(g^k_ij), g = dS/dA,
    alpha = g^2 / (2 g^2 + sum_ab A^k_ab g^3), [N, 1, h, w] of the layer.

    The closed form for exp(S) as the class's output, whose positive factor is left out. Chattopadhyay et al. 2018,
    "Grad-CAM++", equations 18 and 19. alpha is 0 where the gradient or the denominator is.
    """
    gradient, activation = evidence.layer_gradient, evidence.activation
    # Above and below divided by g^2, which underflows for a small g; where g is 0, alpha ReLU(g) is 0 anyway.
    denominator = 2 + activation.sum(dim=(2, 3), keepdim=True) * gradient
    alpha = torch.where(denominator == 0, 0, 1 / torch.where(denominator == 0, 1, denominator))
    weights = (alpha * gradient.relu()).sum(dim=(2, 3), keepdim=True)
    return class_activation(weights, activation, parameters)
