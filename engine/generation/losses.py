"""What a generator is trained on. Dosovitskiy & Brox 2016, equations 2 to 5."""

import torch.nn.functional as F
from torch import Tensor


def pixel_loss(made: Tensor, real: Tensor) -> Tensor:
    """Mean squared distance of pictures, [N, 3, H, W] from 0 to 1: []."""
    return F.mse_loss(made, real)


def feature_loss(made: Tensor, real: Tensor) -> Tensor:
    """Mean squared distance of codes, [N, channels, height, width] in standard deviations: []."""
    return F.mse_loss(made, real)


def deceiving_loss(told: Tensor) -> Tensor:
    """-log D of made pictures, of the discriminator's logits [N]: []. The generator descends it."""
    return F.softplus(-told).mean()


def telling_loss(told_real: Tensor, told_made: Tensor) -> Tensor:
    """-log D of real pictures and -log (1 - D) of made ones: []. The discriminator descends it."""
    return F.softplus(-told_real).mean() + F.softplus(told_made).mean()
