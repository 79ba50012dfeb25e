"""The table of methods that need one forward pass and at most one backward pass."""

from collections.abc import Mapping

from convscope.engine.attribution.attention_rollout import AttentionRolloutParameters, attention_rollout
from convscope.engine.attribution.deconvnet import DeconvnetParameters, deconvnet
from convscope.engine.attribution.eigen_cam import EigenCamParameters, eigen_cam
from convscope.engine.attribution.evidence import Need
from convscope.engine.attribution.grad_cam import GradCamParameters, grad_cam
from convscope.engine.attribution.grad_cam_plus_plus import GradCamPlusPlusParameters, grad_cam_plus_plus
from convscope.engine.attribution.gradient import GradientParameters, gradient
from convscope.engine.attribution.guided_backprop import GuidedBackpropParameters, guided_backprop
from convscope.engine.attribution.guided_grad_cam import GuidedGradCamParameters, guided_grad_cam
from convscope.engine.attribution.input_x_gradient import InputXGradientParameters, input_x_gradient
from convscope.engine.attribution.layer_cam import LayerCamParameters, layer_cam
from convscope.engine.attribution.method import PassMethod
from convscope.engine.attribution.saliency import SaliencyParameters, saliency
from convscope.engine.attribution.x_grad_cam import XGradCamParameters, x_grad_cam

PASS_METHODS: Mapping[str, PassMethod] = {
    "gradient": PassMethod(gradient, GradientParameters, (Need.GRADIENT,), "largest"),
    "saliency": PassMethod(saliency, SaliencyParameters, (Need.GRADIENT,)),
    "input_x_gradient": PassMethod(input_x_gradient, InputXGradientParameters, (Need.GRADIENT,)),
    "deconvnet": PassMethod(deconvnet, DeconvnetParameters, (Need.DECONVNET,), "largest"),
    "guided_backprop": PassMethod(guided_backprop, GuidedBackpropParameters, (Need.GUIDED,), "largest"),
    "grad_cam": PassMethod(grad_cam, GradCamParameters, (Need.LAYER_GRADIENT,)),
    "guided_grad_cam": PassMethod(
        guided_grad_cam, GuidedGradCamParameters, (Need.LAYER_GRADIENT, Need.GUIDED), "largest"
    ),
    "grad_cam_plus_plus": PassMethod(grad_cam_plus_plus, GradCamPlusPlusParameters, (Need.LAYER_GRADIENT,)),
    "layer_cam": PassMethod(layer_cam, LayerCamParameters, (Need.LAYER_GRADIENT,)),
    "x_grad_cam": PassMethod(x_grad_cam, XGradCamParameters, (Need.LAYER_GRADIENT,)),
    "eigen_cam": PassMethod(eigen_cam, EigenCamParameters, (Need.ACTIVATION,)),
    "attention_rollout": PassMethod(attention_rollout, AttentionRolloutParameters, (Need.ATTENTION,)),
}
