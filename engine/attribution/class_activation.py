"""What the CAM family shares: the weighted sum of a layer's channels."""

from torch import Tensor

from convscope.engine.attribution.parameters import ClassActivationParameters


def class_activation(weights: Tensor, activation: Tensor, parameters: ClassActivationParameters) -> Tensor:
    """ReLU(sum_k w_k A^k), [N, 1, h, w]; `weights` broadcast to the activation [N, K, h, w]."""
    values = (weights * activation).sum(dim=1, keepdim=True)
    return values.relu() if parameters.relu else values
