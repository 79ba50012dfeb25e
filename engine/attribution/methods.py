"""The table of methods: the name here is the name everywhere."""

from collections.abc import Mapping
from typing import Any

from convscope.engine.attribution.ablation_cam import AblationCamParameters, ablation_cam
from convscope.engine.attribution.deep_lift import DeepLiftParameters, deep_lift
from convscope.engine.attribution.integrated_gradients import IntegratedGradientsParameters, integrated_gradients
from convscope.engine.attribution.method import Method, ScanMethod
from convscope.engine.attribution.occlusion import OcclusionParameters, occlusion
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.attribution.pass_methods import PASS_METHODS
from convscope.engine.attribution.rise import RiseParameters, rise
from convscope.engine.attribution.score_cam import ScoreCamParameters, score_cam
from convscope.engine.attribution.segment import SegmentParameters, segment
from convscope.engine.attribution.smooth_grad import SmoothGradParameters, smooth_grad
from convscope.engine.attribution.var_grad import VarGradParameters, var_grad
from convscope.engine.errors import UnknownName

METHODS: Mapping[str, Method] = {
    **PASS_METHODS,
    "integrated_gradients": ScanMethod(integrated_gradients, IntegratedGradientsParameters, to_pixels=True),
    "deep_lift": ScanMethod(deep_lift, DeepLiftParameters, to_pixels=True),
    "smooth_grad": ScanMethod(smooth_grad, SmoothGradParameters, "largest", to_pixels=True),
    "var_grad": ScanMethod(var_grad, VarGradParameters, "largest", to_pixels=True),
    "score_cam": ScanMethod(score_cam, ScoreCamParameters),
    "ablation_cam": ScanMethod(ablation_cam, AblationCamParameters),
    "occlusion": ScanMethod(occlusion, OcclusionParameters),
    "rise": ScanMethod(rise, RiseParameters),
    "segment": ScanMethod(segment, SegmentParameters, to_pixels=True),
}


def find_method(name: str, parameters: dict[str, Any]) -> tuple[Method, MethodParameters]:
    """A method and its checked parameters. Raises UnknownName, InvalidParameter."""
    if name not in METHODS:
        raise UnknownName("method", name, METHODS, field="method")
    method = METHODS[name]
    return method, method.parameters.parse(parameters)
