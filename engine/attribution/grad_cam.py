"""Grad-CAM: the channels of a layer, weighted by how much the class score rises with each."""

import torch
from torch import Tensor, nn

from convscope.engine.attribution.method import Attribution, select
from convscope.engine.attribution.parameters import Parameters
from convscope.engine.errors import MethodUnsupported
from convscope.engine.models.layers import LayerMap, graph_from, remembered_layers


class GradCamParameters(Parameters):
    """Parameters of `grad_cam`."""

    layer: str | None = None
    """A layer with a spatial output; None: the last one of the network that is no mere pooling."""
    relu: bool = True
    """Keep evidence for the class only, as the paper does (Captum's LayerGradCam does not unless asked)."""


def grad_cam(module: nn.Module, images: Tensor, targets: Tensor, parameters: GradCamParameters) -> Attribution:
    """ReLU(sum_k alpha_k A^k) with alpha_k = mean_ij dS/dA^k_ij, [N, h, w] of the layer.

    S is the score before the softmax. Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2. Costs a forward pass
    and the backward pass of what follows the layer.
    """
    name = grad_cam_layer(remembered_layers(module, images), parameters)
    with graph_from(module.get_submodule(name)) as capture:
        scores = module(images)
        resolved, score = select(scores, targets)
    (gradient,) = torch.autograd.grad(score, capture.activation, allow_unused=True) if score.requires_grad else (None,)
    if gradient is None:
        raise MethodUnsupported(f"the scores do not depend on the layer {name!r}", field="layer")
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    values = (weights * capture.activation.detach()).sum(dim=1)
    if parameters.relu:
        values = values.relu()
    return Attribution(values, scores.detach(), resolved)


def grad_cam_layer(layers: LayerMap, parameters: GradCamParameters) -> str:
    """The layer that the parameters mean, checked. Raises as LayerMap.spatial()."""
    return layers.spatial(parameters.layer)
