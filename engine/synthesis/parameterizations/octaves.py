"""One picture at several sizes, the smallest first. Mordvintsev, Olah & Tyka 2015, the published code."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.engine.models.preprocessing import Preprocessing


class Octaves:
    """A picture's grey levels, 0 to 255. What the steps added to one octave is scaled up and added to the next:

    small picture ── steps ── detail ── scaled up ──(+)── steps ── detail ── scaled up ──(+)── ...
                                        larger picture ─┘               the whole picture ─┘
    """

    def __init__(self, picture: Tensor, sizes: Sequence[tuple[int, int]], steps: int, preprocessing: Preprocessing):
        """picture: [1, 3, H, W], grey levels, float32. sizes: as octave_sizes(). steps: in each octave."""
        self._steps = steps
        self._bases = [picture]
        for size in reversed(sizes[:-1]):
            self._bases.insert(0, _scaled(self._bases[0], size))
        self._mean, self._std = (
            255 * torch.tensor(channels, device=picture.device).view(1, 3, 1, 1)
            for channels in (preprocessing.mean, preprocessing.std)
        )

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization."""
        return self._bases[0].clone(memory_format=torch.channels_last)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return tuple(self._bases[max(step - 1, 0) // self._steps].shape)

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        base = self._bases[step // self._steps]
        return variables if base.shape == variables.shape else self._grown(variables, base)

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return (variables - self._mean) / self._std

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization, at the size of the whole picture whatever the octave."""
        whole = self._bases[-1]
        return (variables if whole.shape == variables.shape else self._grown(variables, whole)) / 255

    def _grown(self, variables: Tensor, base: Tensor) -> Tensor:
        smaller = next(octave for octave in self._bases if octave.shape == variables.shape)
        detail = _scaled(variables - smaller, (base.shape[2], base.shape[3]))
        return (base + detail).contiguous(memory_format=torch.channels_last)


def octave_sizes(height: int, width: int, octaves: int, scale: float) -> list[tuple[int, int]]:
    """Height and width of each octave, the smallest first; each is the next one's over `scale`, rounded."""
    sizes = [(height, width)]
    for _ in range(octaves - 1):
        sizes.insert(0, (round(sizes[0][0] / scale), round(sizes[0][1] / scale)))
    return sizes


def _scaled(images: Tensor, size: tuple[int, int]) -> Tensor:
    # Corners stay corners, as in the published code's scipy.ndimage.zoom(order=1).
    scaled = F.interpolate(images, size, mode="bilinear", align_corners=True)
    return scaled.contiguous(memory_format=torch.channels_last)
