"""The priors that ship with convscope. Needs no torch."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from convscope.engine.generation.prior_header import PriorHeader

WEIGHTS = Path(__file__).with_name("weights")
SHIPPED: Mapping[str, Path] = {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}
"""Of each one's name, that of its model, the file."""


@cache
def shipped_header(name: str) -> PriorHeader:
    """Of one of SHIPPED."""
    return PriorHeader.of_file(SHIPPED[name])
