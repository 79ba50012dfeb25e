"""Many pictures from few photographs."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

SMALLEST = 0.4
"""Side of a crop at least, in the photograph's shorter one."""


def crops(photographs: Sequence[Image.Image], count: int, seed: int) -> Iterator[Image.Image]:
    """So many squares, of each photograph in turn, from anywhere in it, every other one mirrored. The same for the same
    seed."""
    chance = np.random.default_rng(seed)
    for place in range(count):
        photograph = photographs[place % len(photographs)]
        side = round(min(photograph.size) * chance.uniform(SMALLEST, 1))
        left, top = (int(chance.integers(length - side + 1)) for length in photograph.size)
        crop = photograph.crop((left, top, left + side, top + side))
        yield crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else crop
