"""The table of methods: the name here is the name everywhere."""

from collections.abc import Mapping
from typing import Any

from convscope.engine.attribution.grad_cam import GradCamParameters, grad_cam, grad_cam_layer
from convscope.engine.attribution.method import Method
from convscope.engine.attribution.parameters import Parameters
from convscope.engine.attribution.saliency import SaliencyParameters, saliency
from convscope.engine.errors import UnknownName

METHODS: Mapping[str, Method] = {
    "saliency": Method(saliency, SaliencyParameters),
    "grad_cam": Method(grad_cam, GradCamParameters, grad_cam_layer),
}


def find_method(name: str, parameters: dict[str, Any]) -> tuple[Method, Parameters]:
    """A method and its checked parameters. Raises UnknownName, InvalidParameter."""
    if name not in METHODS:
        raise UnknownName("method", name, METHODS, field="method")
    method = METHODS[name]
    return method, method.parameters.parse(parameters)
