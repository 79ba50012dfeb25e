"""The table of metrics: the name here is the name everywhere. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Better = Literal["high", "low", "zero"]


@dataclass(frozen=True)
class Metric:
    """What is measured of an explanation."""

    title: str
    better: Better
    """Which values are good: high ones, low ones, or those near 0."""
    note: str
    """What it is, and whose, in a sentence."""
    needs: Literal["", "mask", "attention"] = ""
    """What must be known about the picture."""
    of_maps: bool = True
    """Whether any map has it, one drawn at random too; False: it asks the method again."""


METRICS: Mapping[str, Metric] = {
    "pointing_game": Metric(
        "Pointing game",
        "high",
        "Part of the pictures in which the strongest place lies on the thing (Zhang et al. 2016).",
        needs="mask",
    ),
    "box_overlap": Metric(
        "Box overlap",
        "high",
        "Intersection over union of the box around what is over 15 % of the maximum and the box around the thing"
        " (Selvaraju et al. 2017).",
        needs="mask",
    ),
    "energy_inside": Metric(
        "Energy inside",
        "high",
        "Part of the positive evidence that lies on the thing (Wang et al. 2020).",
        needs="mask",
    ),
    "insertion": Metric(
        "Insertion",
        "high",
        "Area under the probability while the strongest pixels come into a blurred picture (Petsiuk et al. 2018).",
    ),
    "deletion": Metric(
        "Deletion",
        "low",
        "Area under the probability while the strongest pixels go out of the picture (Petsiuk et al. 2018).",
    ),
    "occlusion_correlation": Metric(
        "Correlation with occlusion",
        "high",
        "Spearman's rank correlation with the occlusion map, at 14 x 14 (Selvaraju et al. 2017).",
    ),
    "infidelity": Metric(
        "Infidelity",
        "low",
        "How badly the attribution foretells what small changes of the pixels do to the output (Yeh et al. 2019); of"
        " methods whose scale means nothing, such as Grad-CAM, it says little.",
        of_maps=False,
    ),
    "max_sensitivity": Metric(
        "Max-sensitivity",
        "low",
        "The largest relative change of the attribution under small changes of the pixels (Yeh et al. 2019).",
        of_maps=False,
    ),
    "randomization": Metric(
        "Randomized weights",
        "zero",
        "Spearman's rank correlation with the explanation of the same network without any trained weight (Adebayo et"
        " al. 2018): near 0 where the explanation depends on what was learned.",
        of_maps=False,
    ),
    "attention_correlation": Metric(
        "Correlation with attention",
        "high",
        "Spearman's rank correlation with where people looked, at 14 x 14, the mean over them (Das et al. 2016).",
        needs="attention",
    ),
}
CURVES = ("insertion", "deletion", "randomization")
"""Metrics that have a curve beside their value."""
RANDOM = "random"
"""What the map that is drawn at random is called among the methods."""
