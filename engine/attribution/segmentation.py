"""A part of a picture, cut out."""

from dataclasses import dataclass

from convscope.engine.imaging.box import Box

Outline = tuple[tuple[int, int], ...]
"""A closed polygon of (x, y) pixels."""


@dataclass(frozen=True)
class Segmentation:
    """The thing that a map points to, in the frame of the model's input."""

    box: Box | None
    """Around the mask; None where it is empty."""
    outlines: tuple[Outline, ...]
    """Of each part of the mask, the largest first."""
    heatmap_box: Box | None
    """Around the largest connected part of the map over 15 % of its maximum; None for a map of zeros."""
    note: str = ""
    """Why the mask is empty."""
