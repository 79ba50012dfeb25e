"""SmoothGrad: the mean of a gradient method over noisy copies of the picture."""

from dataclasses import replace

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.noise import NoiseParameters, moments_over_noise


class SmoothGradParameters(NoiseParameters):
    """Parameters of `smooth_grad`."""


def smooth_grad(batch: Batch, parameters: SmoothGradParameters) -> Attribution:
    """1/n sum_s M(x + N(0, sigma^2)), in the shape of the method M.

    Smilkov et al. 2017, "SmoothGrad", section 2. Costs `samples` times the method.
    """
    moments = moments_over_noise(batch, parameters)
    return replace(moments.clean, values=moments.mean)
