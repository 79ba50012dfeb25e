"""Guided backprop: the gradient by the pixels along paths that help the score at every ReLU."""

from torch import Tensor

from convscope.engine.attribution.evidence import Evidence
from convscope.engine.attribution.parameters import MethodParameters


class GuidedBackpropParameters(MethodParameters):
    """Parameters of `guided_backprop`."""


def guided_backprop(evidence: Evidence, parameters: GuidedBackpropParameters) -> Tensor:
    """The gradient by the pixels, passed by every ReLU as R = [x > 0] [dL/dy > 0] dL/dy, [N, 3, H, W].

    ReLU6 also asks for x < 6; other activations pass it by their derivative. Springenberg et al. 2014, "Striving for
    Simplicity". (Captum's GuidedBackprop misses functional ReLUs.)
    """
    return evidence.guided
