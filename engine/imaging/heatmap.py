"""An attribution reduced to one number a pixel, for people."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Reduction = Literal["sum", "largest"]
"""How the channels of an attribution become one: added, or the largest magnitude of them."""


def to_heatmap(
    attribution: NDArray[np.floating[Any]], height: int, width: int, reduction: Reduction = "sum"
) -> NDArray[np.float32]:
    """Lay an attribution [channels, h, w] on the frame of the model's input: float32 [height, width].

    The result of "sum" is signed. One smaller than the frame is upsampled bilinearly, as the Grad-CAM paper does.
    """
    channels = np.asarray(attribution, dtype=np.float32)
    values: NDArray[np.float32] = np.abs(channels).max(axis=0) if reduction == "largest" else channels.sum(axis=0)
    if values.shape == (height, width):
        return values
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))


def normalize(heatmap: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Scale a heatmap for drawing: to 0..1, or to -1..1 where it has negative values.

    The 99.5 % quantile of the magnitude becomes 1, so that one bright pixel does not darken all others. What all places
    of a map have in common (RISE's mean) is taken off. A heatmap of zeros stays one, and what is not finite counts as
    zero.
    """
    heatmap = np.nan_to_num(heatmap, posinf=0, neginf=0)
    lowest = heatmap.min(initial=np.inf)
    if 0 < lowest < np.quantile(heatmap, 0.995):
        heatmap = heatmap - lowest
    magnitude = np.abs(heatmap)
    scale = float(np.quantile(magnitude, 0.995)) or float(magnitude.max(initial=0))
    if not scale:
        return np.zeros(heatmap.shape, dtype=np.float32)
    return np.asarray(np.clip(heatmap / scale, -1, 1), dtype=np.float32)
