"""Eigen-CAM: what a layer's channels have most in common, whatever the class."""

import torch
from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import ClassActivationParameters


class EigenCamParameters(ClassActivationParameters):
    """Parameters of `eigen_cam`."""


def eigen_cam(evidence: Evidence, parameters: EigenCamParameters) -> Tensor:
    """A v_1 with A = U S V^T the layer's output as [places, channels], [N, 1, h, w] of the layer.

    Muhammad & Yeasin 2020, "Eigen-CAM", equation 4. It needs no gradient and is the same for every target. The sign of
    v_1, which the decomposition leaves open, is the one with which the map has a positive sum. (pytorch-grad-cam takes
    the mean off each channel first, and any sign.)
    """
    activation = evidence.activation
    flat = activation.flatten(2).to(torch.promote_types(activation.dtype, torch.float32))
    projection = _first_component(flat.mT.double())
    sign = projection.sum(dim=1, keepdim=True).sign()
    projection = projection * torch.where(sign == 0, 1, sign)
    height, width = activation.shape[2:]
    cam = projection.to(flat.dtype).view(-1, 1, height, width)
    return cam.relu() if parameters.relu else cam


def _first_component(matrix: Tensor) -> Tensor:
    """u_1 s_1 = A v_1 of each A [places, channels], by the smaller of its two Gram matrices."""
    places, channels = matrix.shape[1:]
    if places <= channels:
        values, vectors = torch.linalg.eigh(matrix @ matrix.mT)
        component: Tensor = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(matrix.mT @ matrix)
        component = (matrix @ vectors[..., -1:]).squeeze(-1)
    return component
