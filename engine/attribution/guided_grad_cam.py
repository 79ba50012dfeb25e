"""Guided Grad-CAM: guided backprop's detail where Grad-CAM sees evidence."""

import torch.nn.functional as F
from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.grad_cam import GradCamParameters, grad_cam
from convscope.engine.attribution.parameters import LayerParameters


class GuidedGradCamParameters(LayerParameters):
    """Parameters of `guided_grad_cam`."""


def guided_grad_cam(evidence: Evidence, parameters: GuidedGradCamParameters) -> Tensor:
    """guided backprop x Grad-CAM, upsampled bilinearly, [N, 3, H, W].

    Selvaraju et al. 2017, "Grad-CAM", section 3.2. Costs a pass of each. (Captum's GuidedGradCam upsamples by nearest.)
    """
    cam = grad_cam(evidence, GradCamParameters(layer=parameters.layer))
    size = evidence.images.shape[2:]
    return evidence.guided * F.interpolate(cam, size, mode="bilinear", align_corners=False)
