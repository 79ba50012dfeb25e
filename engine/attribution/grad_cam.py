"""Grad-CAM: the channels of a layer, weighted by how much the score rises with each."""

from torch import Tensor

from convscope.engine.attribution.class_activation import class_activation
from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import ClassActivationParameters


class GradCamParameters(ClassActivationParameters):
    """Parameters of `grad_cam`. (Captum's LayerGradCam applies no ReLU unless asked.)"""

    counterfactual: bool = False
    """Turn the gradient round: what would lower the score, the evidence for something else."""


def grad_cam(evidence: Evidence, parameters: GradCamParameters) -> Tensor:
    """ReLU(sum_k alpha_k A^k) with alpha_k = mean_ij dS/dA^k_ij, [N, 1, h, w] of the layer.

    S is the score before the softmax, unless the target says otherwise. Selvaraju et al. 2017, "Grad-CAM", equations 1
    and 2; counterfactual: equation 3. Costs a forward pass and the backward pass of what follows the layer.
    """
    weights = evidence.layer_gradient.mean(dim=(2, 3), keepdim=True)
    if parameters.counterfactual:
        weights = -weights
    return class_activation(weights, evidence.activation, parameters)
