"""Whether an attribution foretells what a change of the picture does to the answer."""

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.engine.errors import InvalidInput

NOISE, SAMPLES = 0.03, 50


@torch.no_grad()
def infidelity(
    answer: Callable[[Tensor], Tensor],
    images: Tensor,
    attributions: Tensor,
    *,
    noise: float = NOISE,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Tensor:
    """Mean of (e · A - (f(x) - f(x - e)))² over Gaussian changes e of that standard deviation: [N].

    answer: pictures [N, 3, H, W], preprocessed, to what is explained, [N]. attributions: [N, 3, H, W], or one for all
    colours, [N, 1, H, W]. Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 2.1.
    Attributions are taken as they are: of a method whose scale means nothing, such as Grad-CAM, it says little. Raises
    InvalidInput.
    """
    if attributions.ndim != 4 or attributions.shape[0] != images.shape[0] or attributions.shape[2:] != images.shape[2:]:
        message = f"attributions of {list(attributions.shape)} are not of pictures of {list(images.shape)}"
        raise InvalidInput(message, field="attributions", reason="SHAPE_MISMATCH")
    if not noise > 0:
        raise InvalidInput(f"noise must be over 0, not {noise}", field="noise", reason="OUT_OF_RANGE")
    if samples < 1:
        raise InvalidInput(f"samples must be from 1, not {samples}", field="samples", reason="OUT_OF_RANGE")
    generator = torch.Generator().manual_seed(seed)
    before = answer(images)
    total = torch.zeros_like(before)
    for _ in range(samples):
        change = noise * torch.randn(images.shape, generator=generator).to(images)
        foretold = (change * attributions).flatten(1).sum(dim=1)
        total += (foretold - (before - answer(images - change))) ** 2
    return total / samples
