"""VarGrad: the variance of a gradient method over noisy copies of the picture."""

from dataclasses import replace

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.noise import NoiseParameters, moments_over_noise


class VarGradParameters(NoiseParameters):
    """Parameters of `var_grad`."""


def var_grad(batch: Batch, parameters: VarGradParameters) -> Attribution:
    """Var_s M(x + N(0, sigma^2)), never negative, in the shape of the method M.

    Adebayo et al. 2018, "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values",
    section 2. Costs `samples` times the method.
    """
    moments = moments_over_noise(batch, parameters)
    return replace(moments.clean, values=moments.variance)
