"""A picture as a spectrum whose frequencies weigh alike, with colours that do not move together.

Olah et al. 2017, section "Preconditioning and Parameterization"; the numbers are lucid's.
"""

import torch
from torch import Tensor

from convscope.engine.synthesis.grey_levels import GreyLevels

# A root of the correlation of colours in ImageNet's pictures, one row for each of the independent ones.
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
# Lucid's, so that a spectrum of deviation 1 would fill the range of colours.
_DAMPING = 4.0
# Colours nearer to the ends cannot be reached by a sigmoid.
_MARGIN = 1e-3


class Fourier:
    """Variables [N, 3, height, width // 2 + 1, 2]: real and imaginary parts, before they are scaled by 1/frequency.
    A sigmoid keeps every pixel between black and white."""

    def __init__(
        self,
        levels: GreyLevels,
        size: tuple[int, int],
        count: int,
        *,
        copies: int = 1,
        noise: float = 0.01,
        start: Tensor | None = None,
    ) -> None:
        """As Pixels. noise: of the spectrum. start: [count, 3, H, W], grey levels about the mean."""
        self._levels = levels
        self._size = size
        self._count, self._copies = count, copies
        self._noise = noise
        self._start = start
        device = levels.mean.device
        height, width = size
        rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        frequencies = (rows.square() + columns.square()).sqrt().clamp_min(1 / max(size))
        self._scale = ((height * width) ** 0.5 / frequencies / _DAMPING).to(device)
        colours = torch.tensor(_COLOURS, device=device)
        # [red green blue, independent ones]
        self._colours = colours / colours.norm(dim=0).amax()

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization."""
        if self._start is not None:
            return self._spectrum(self._start)
        shape = (self._copies, *self.shape(0)[1:])
        spectrum = (self._noise * torch.randn(shape, generator=generator)).to(self._scale.device)
        return spectrum.repeat(self._count // self._copies, 1, 1, 1, 1)

    def _spectrum(self, levels: Tensor) -> Tensor:
        """Of given pictures; images() gives them back."""
        shown = self._levels.shown(levels).clamp(_MARGIN, 1 - _MARGIN).logit()
        independent = torch.einsum("ij,njhw->nihw", torch.linalg.inv(self._colours), shown)
        return torch.view_as_real(torch.fft.rfft2(independent) / self._scale)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return (self._count, 3, self._size[0], self._size[1] // 2 + 1, 2)

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        levels = 255 * self.shown(variables) - self._levels.mean
        return self._levels.images(levels).contiguous(memory_format=torch.channels_last)

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        independent = torch.fft.irfft2(torch.view_as_complex(variables) * self._scale, s=self._size)
        return torch.einsum("ij,njhw->nihw", self._colours, independent).sigmoid()

    def mutated(self, variables: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """For evolution: all of the spectrum, by a Gaussian."""
        return variables + (strength * torch.randn(variables.shape, generator=generator)).to(variables.device)
