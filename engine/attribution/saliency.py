"""Saliency: the gradient of the class score by the pixels."""

import torch
from torch import Tensor, nn

from convscope.engine.attribution.method import Attribution, select
from convscope.engine.attribution.parameters import Parameters


class SaliencyParameters(Parameters):
    """Parameters of `saliency`."""

    abs: bool = True
    """Take the absolute value, as the paper does; False keeps the sign of the channel whose gradient is largest."""


def saliency(module: nn.Module, images: Tensor, targets: Tensor, parameters: SaliencyParameters) -> Attribution:
    """M_ij = max_c |dS/dI_cij|, [N, H, W].

    S is the score before the softmax. Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks",
    section 3.1. (Captum's Saliency leaves the channels apart.)
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        scores = module(images)
        resolved, score = select(scores, targets)
        (gradient,) = torch.autograd.grad(score, images)
    magnitude, channel = gradient.abs().max(dim=1)
    if not parameters.abs:
        magnitude = gradient.gather(1, channel.unsqueeze(1)).squeeze(1)
    return Attribution(magnitude, scores.detach(), resolved)
