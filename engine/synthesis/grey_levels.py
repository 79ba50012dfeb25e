"""The papers' unit: grey levels of 255 about the mean picture; and what a network takes instead of them."""

import torch
from torch import Tensor

from convscope.engine.models.preprocessing import Preprocessing


class GreyLevels:
    """Converts once, both ways. Levels are [N, 3, H, W], red, green and blue, less the mean of the colour."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self.mean, self._std = (
            255 * torch.tensor(channels, device=device).view(1, 3, 1, 1)
            for channels in (preprocessing.mean, preprocessing.std)
        )

    def images(self, levels: Tensor) -> Tensor:
        """As the network takes them."""
        return levels / self._std

    def levels(self, images: Tensor) -> Tensor:
        """Of pictures as the network takes them."""
        return images * self._std

    def shown(self, levels: Tensor) -> Tensor:
        """Red, green and blue, 0 to 1; beyond that where a picture is not bounded."""
        return (levels + self.mean) / 255
