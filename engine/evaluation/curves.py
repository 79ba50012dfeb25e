"""What becomes of the answer when the pixels that a heatmap names are taken out, or put back, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from convscope.engine.errors import InvalidInput

BATCH = 32


@dataclass(frozen=True)
class Curve:
    """Of one picture."""

    parts: tuple[float, ...]
    """Of the pixels that have been changed, 0 to 1."""
    values: tuple[float, ...]
    """The answer's probability then."""

    @property
    def area(self) -> float:
        """Under it, by the trapezoid rule: 0 to 1. Low is good for deletion, high for insertion."""
        return float(torch.trapezoid(torch.tensor(self.values), torch.tensor(self.parts)))


@torch.no_grad()
def change_curve(
    probability: Callable[[Tensor], Tensor],
    image: Tensor,
    heatmap: Tensor,
    *,
    kind: Literal["insertion", "deletion"],
    empty: Tensor,
    steps: int = 50,
) -> Curve:
    """The strongest pixels first, of equals the first in the order of rows.

    probability: pictures [n, 3, H, W], preprocessed, to that of the answer, [n]. image: [3, H, W]. heatmap: [H, W].
    empty: [3, H, W], what stands where there is no picture: a colour for deletion, the blurred picture for insertion.
    Petsiuk et al. 2018, "RISE", 4.2. Raises InvalidInput.
    """
    if heatmap.shape != image.shape[1:] or empty.shape != image.shape:
        message = f"a heatmap of {list(heatmap.shape)} has no place on a picture of {list(image.shape[1:])}"
        raise InvalidInput(message, field="heatmaps", reason="SHAPE_MISMATCH")
    if not heatmap.isfinite().all():
        raise InvalidInput("a heatmap must be finite", field="heatmaps", reason="VALUE_NOT_FINITE")
    if steps < 1:
        raise InvalidInput(f"steps must be from 1, not {steps}", field="steps", reason="OUT_OF_RANGE")
    pixels = heatmap.numel()
    # The place of each pixel in the order, 0 for the strongest.
    order = heatmap.flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(pixels, device=order.device)).view(heatmap.shape)
    counts = [round(pixels * step / steps) for step in range(steps + 1)]
    begun, added = (empty, image) if kind == "insertion" else (image, empty)
    values: list[float] = []
    for some in torch.split(torch.tensor(counts, device=image.device), BATCH):
        changed = torch.where(rank < some[:, None, None, None], added, begun)
        values += probability(changed).tolist()
    return Curve(tuple(count / pixels for count in counts), tuple(values))
