"""Backgrounds: muted textures from which no thing's colour can be guessed."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def texture(seed: int, side: int) -> NDArray[np.float64]:
    """Noise, stripes or checks: [side, side, 3], 0 to 255."""
    rng = np.random.default_rng(seed)
    pattern = (_noise, _stripes, _checks)[int(rng.integers(3))](rng, side)
    grain = rng.normal(0, 4, (side, side, 1))
    base = rng.uniform(70, 150) + rng.uniform(-15, 15, 3)
    return np.clip(base + rng.uniform(15, 35) * pattern[:, :, None] + grain, 0, 255)


def _noise(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Clouds: coarse noise and finer noise, each scaled up."""
    found = np.zeros((side, side))
    for cells, strength in ((5, 1.0), (12, 0.5)):
        coarse = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
        found += strength * np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float64)
    return found


def _stripes(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    angle, period, phase = rng.uniform(0, np.pi), rng.uniform(4, 14), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side]
    stripes: NDArray[np.float64] = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)
    return stripes


def _checks(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    cell = int(rng.integers(4, 11))
    y, x = np.mgrid[:side, :side] + int(rng.integers(cell))
    return np.where((x // cell + y // cell) % 2, 1.0, -1.0)
