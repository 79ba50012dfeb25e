"""How large a prior is, and how long it is trained. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from convscope.engine.errors import UnknownName


@dataclass(frozen=True)
class Preset:
    """Sizes that go together."""

    width: int
    """Channels of the generator's last map, which has the picture's size; each map before has twice as many."""
    widest: int
    """Channels that a map has at most."""
    discriminator_width: int
    """Channels of the discriminator's first map; each one behind has twice as many."""
    hidden: tuple[int, ...]
    """Channels of the denoising autoencoder between the code and the code."""
    steps: int
    batch: int
    """Pictures of a step."""


PRESETS: Mapping[str, Preset] = {
    "tiny": Preset(12, 96, 16, (128, 96, 96, 128), steps=3000, batch=16),
    "small": Preset(8, 96, 16, (128, 96, 96, 128), steps=600, batch=8),
    # The autoencoder is PPGN's; the widths are those of Dosovitskiy & Brox.
    "standard": Preset(32, 512, 64, (2048, 1024, 500, 1024, 2048), steps=400_000, batch=64),
}
"""tiny and small: a quarter of an hour on a core, for pictures of 64 and of 224 pixels. standard: a day on a GPU."""
DEFAULT_PRESET = "tiny"


def find_preset(name: str) -> Preset:
    """Raises UnknownName (field `preset`) with the nearest names."""
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS, field="preset")
    return PRESETS[name]
