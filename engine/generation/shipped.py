"""The priors that ship with convscope. Needs no torch."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from convscope.engine.generation.prior_header import PriorHeader

_WEIGHTS = Path(__file__).with_name("weights")
SHIPPED: Mapping[str, Path] = {
    name: _WEIGHTS / f"{name}.safetensors" for name in ("shapes_classifier", "efficientnet_lite0")
}
"""Each has the name of the network that it is of."""


@cache
def shipped_header(name: str) -> PriorHeader:
    """Of one of SHIPPED."""
    return PriorHeader.of_file(SHIPPED[name])
