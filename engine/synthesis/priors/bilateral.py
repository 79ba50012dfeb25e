"""Smooth areas with sharp edges. Tomasi & Manduchi 1998; Tyka 2016 filters pictures with it between steps."""

import torch
from torch import Tensor

from convscope.engine.synthesis.priors.neighbourhood import neighbourhood


class Bilateral:
    """Each pixel becomes the mean of its window, weighted by nearness in place and in colour."""

    def __init__(self, width: int, color: float, space: float, device: torch.device) -> None:
        """width: of the window, pixels, odd. color: deviation between colours, grey levels. space: pixels."""
        self._width = width
        self._color = color
        away = torch.arange(width, device=device) - width // 2
        squares = (away[:, None].square() + away[None].square()).flatten()
        self._near = torch.exp(-squares / (2 * space**2)).view(1, -1, 1, 1)

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        around = neighbourhood(variables, self._width)
        apart = (around - variables.unsqueeze(2)).square().sum(dim=1)
        weights = torch.exp(apart / (-2 * self._color**2)) * self._near  # [N, places, H, W]
        means = (around * weights.unsqueeze(1)).sum(dim=2) / weights.sum(dim=1, keepdim=True)
        return means.contiguous(memory_format=torch.channels_last)
