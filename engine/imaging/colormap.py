"""Numbers to colours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Seventeen even samples of each map, 0 to 1. turbo: A. Mikhailov; viridis, magma: S. van der Walt and
# N. Smith; coolwarm: K. Moreland.
_SAMPLES = {
    "turbo": "30123b 4040a2 466be3 4294ff 28bceb 18ddc2 32f298 6dfe62 a4fc3c cdec34 eecf3a fdac34 fb7e21"
    " eb500e d02f05 a91601 7a0403",
    "viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962"
    " 84d44b addc30 d8e219 fde725",
    "magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961"
    " fea772 fec488 fde2a3 fcfdbf",
    "coolwarm": "3b4cc0 4e68d8 6282ea 779af7 8db0fe a3c2fe b9d0f9 ccd9ed dddcdc ecd3c5 f5c4ac f7b093 f4987a"
    " eb7d62 dd5f4b ca3b37 b40426",
    "gray": "000000 ffffff",
}
COLORMAPS = tuple(_SAMPLES)
DIVERGING = "coolwarm"


def _table(samples: str) -> NDArray[np.uint8]:
    colors = np.array([list(bytes.fromhex(color)) for color in samples.split()], dtype=np.float64)
    places = np.linspace(0, 1, len(colors))
    channels = [np.interp(np.linspace(0, 1, 256), places, colors[:, i]) for i in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


_TABLES = {name: _table(samples) for name, samples in _SAMPLES.items()}


def color_table(name: str) -> NDArray[np.uint8]:
    """The 256 colours of a map, [256, 3], RGB. KeyError for a map that is not in COLORMAPS."""
    return _TABLES[name]


def apply_colormap(values: NDArray[np.floating[Any]], name: str = "turbo") -> NDArray[np.uint8]:
    """Colour values of 0 to 1: [...] to [..., 3], RGB. KeyError for a map that is not in COLORMAPS."""
    colors: NDArray[np.uint8] = color_table(name)[(np.clip(values, 0, 1) * 255).round().astype(np.uint8)]
    return colors
