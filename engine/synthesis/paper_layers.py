"""The layers that papers name, by how deep they are, for networks that do not have them. Needs no torch."""

from collections.abc import Mapping

_GOOGLENET = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_VGG = (2, 2, 3, 3, 3)
_CAFFENET = ("conv1", "conv2", "conv3", "conv4", "conv5")


def _depths() -> dict[str, float]:
    depths = {}
    for place, module in enumerate(_GOOGLENET, 1):
        for name in (f"inception_{module}/output", f"inception{module}", f"mixed{module}"):
            depths[name] = place / len(_GOOGLENET)
    done = 0
    for block, convolutions in enumerate(_VGG, 1):
        for place in range(1, convolutions + 1):
            done += 1
            depths[f"conv{block}_{place}"] = depths[f"relu{block}_{place}"] = done / sum(_VGG)
        depths[f"pool{block}"] = done / sum(_VGG)
    for place, name in enumerate(_CAFFENET, 1):
        depths[name] = place / len(_CAFFENET)
    return depths


PAPER_LAYERS: Mapping[str, float] = _depths()
"""Relative depth, over 0 to 1: the part of the convolutions, or of the inception modules, that is done behind it; of
GoogLeNet, VGG-16 and CaffeNet."""
