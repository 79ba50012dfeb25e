"""Every method with parameters that take little time, for tests of all of them."""

from collections.abc import Mapping
from typing import Any

from convscope.v1.method_pb2 import Method

Parameters = Mapping[str, Any]
QUICK: Mapping[str, Parameters] = {
    "gradient": {},
    "saliency": {"abs": False},
    "input_x_gradient": {},
    "deconvnet": {},
    "guided_backprop": {},
    "grad_cam": {"relu": False, "counterfactual": True},
    "guided_grad_cam": {},
    "grad_cam_plus_plus": {"relu": False},
    "layer_cam": {"relu": False},
    "x_grad_cam": {"relu": False},
    "eigen_cam": {"relu": False},
}
"""Those that need a pass or two."""
LONG: Mapping[str, Parameters] = {
    "integrated_gradients": {"steps": 4, "fill": "mean"},
    "deep_lift": {"fill_color": [0.25, 0.5, 0.75]},
    "smooth_grad": {"samples": 4, "base_method": "grad_cam", "stdev": 0.25, "seed": 3},
    "var_grad": {"samples": 4, "base_method": "saliency"},
    "occlusion": {"window": 64, "stride": 64, "fill": "blur"},
    "rise": {"masks": 8, "cells": 5, "probability": 0.25, "seed": 7},
    "score_cam": {"masks": 8, "relu": False},
    "ablation_cam": {"relu": False},
}
"""Those that run changed pictures; they tell their progress."""
SEGMENT: Mapping[str, Parameters] = {"segment": {"map": "grad_cam", "iterations": 2}}
CONVOLUTIONAL = {**QUICK, **LONG, **SEGMENT}
"""All that have a meaning for a network of convolutions."""
CAMS = ("grad_cam", "grad_cam_plus_plus", "layer_cam", "x_grad_cam", "eigen_cam", "score_cam", "ablation_cam")
"""Those whose attribution has the grid of a layer."""


def method(name: str, parameters: Parameters | None = None) -> Method:
    """A Method of the contract; without parameters, with all defaults."""
    return Method(**{name: dict(parameters or {})})
