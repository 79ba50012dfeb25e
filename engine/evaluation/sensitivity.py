"""How much an explanation changes where the picture hardly does."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.errors import InvalidInput

RADIUS, SAMPLES = 0.02, 10


def max_sensitivity(
    explain: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    radius: float = RADIUS,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Tensor:
    """The largest |E(x + e) - E(x)| / |E(x)| of `samples` noises e, uniform in -radius to radius: [N]; NaN where E(x)
    is nothing at all.

    explain: pictures [N, 3, H, W], preprocessed, to their attributions [N, ...]. Norms are Euclidean, over all values
    of a picture. Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 3.1. Raises
    InvalidInput.
    """
    if not radius > 0:
        raise InvalidInput(f"radius must be over 0, not {radius}", field="radius", reason="OUT_OF_RANGE")
    if samples < 1:
        raise InvalidInput(f"samples must be from 1, not {samples}", field="samples", reason="OUT_OF_RANGE")
    generator = torch.Generator().manual_seed(seed)
    explained = explain(images).flatten(1)
    most = torch.zeros(len(images), device=explained.device)
    for _ in range(samples):
        noise = (2 * torch.rand(images.shape, generator=generator) - 1) * radius
        changed = explain(images + noise.to(images)).flatten(1)
        most = torch.maximum(most, (changed - explained).norm(dim=1))
    relative: Tensor = most / explained.norm(dim=1)
    return relative
