"""A picture that is padded, shifted, scaled, turned and shifted again, in one sampling.

Olah et al. 2017, section "The Enemy of Feature Visualization"; lucid does it in five steps.
"""

from math import cos, radians, sin

import torch
import torch.nn.functional as F
from torch import Tensor


class Wandering:
    """Shows the network a view of the picture's own size: bilinear, with what is outside the padding mirrored."""

    def __init__(
        self, grey: Tensor, *, pad: int = 0, jitter: int = 0, scaling: float = 0.0, rotation: float = 0.0,
        jitter_after: int = 0,
    ) -> None:  # fmt: skip
        """grey: [1, 3, 1, 1], the padding's colour as the network takes it. pad, jitter, jitter_after: pixels. scaling:
        largest part. rotation: largest degrees."""
        self._grey = grey
        self._pad = pad
        self._jitter, self._jitter_after = jitter, jitter_after
        self._scaling = scaling
        self._rotation = rotation

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """As Transform."""
        height, width = images.shape[2:]
        padded = images
        if self._pad:
            padded = F.pad(images - self._grey, (self._pad,) * 4) + self._grey
        grid = F.affine_grid(self._sampled_at(height, width, generator).to(images), [1, 3, height, width], False)
        grid = grid.expand(len(images), -1, -1, -1)
        seen = F.grid_sample(padded, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return seen.contiguous(memory_format=torch.channels_last)

    def _sampled_at(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """[1, 2, 3]: from places of the view to those of the padded picture, both -1 to 1."""
        (right, down), (right_after, down_after) = (
            torch.randint(-most, most + 1, (2,), generator=generator).tolist()
            for most in (self._jitter, self._jitter_after)
        )
        scale_drawn, turn_drawn = (2 * torch.rand(2, generator=generator) - 1).tolist()
        scale, angle = 1 + self._scaling * scale_drawn, radians(self._rotation * turn_drawn)
        # In pixels about the middle: shifted after, turned and scaled, shifted before.
        cosine, sine = cos(angle) / scale, sin(angle) / scale
        x = cosine * -right_after - sine * -down_after - right
        y = sine * -right_after + cosine * -down_after - down
        half_width, half_height = width / 2 + self._pad, height / 2 + self._pad
        rows = [
            [cosine * width / 2 / half_width, -sine * height / 2 / half_width, x / half_width],
            [sine * width / 2 / half_height, cosine * height / 2 / half_height, y / half_height],
        ]
        return torch.tensor([rows])
