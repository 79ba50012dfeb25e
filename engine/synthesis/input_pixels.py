"""Pictures whose pixels are moved as the network takes them: less the mean, over the deviation."""

import torch
from torch import Tensor

from convscope.engine.models.model import Model


class InputPixels:
    """A batch that starts from zeros, the mean picture (Simonyan et al. 2013), or from noise, the same for each."""

    def __init__(self, model: Model, count: int, noise: float = 0.0) -> None:
        """noise: standard deviation."""
        size = model.preprocessing
        self._shape = (count, 3, size.height, size.width)
        self._noise = noise
        self._mean, self._std = (
            torch.tensor(channels, device=model.device).view(1, 3, 1, 1) for channels in (size.mean, size.std)
        )

    def start(self, generator: torch.Generator) -> Tensor:
        """As Parameterization."""
        images = torch.zeros(self._shape, device=self._mean.device)
        if self._noise:
            images += (self._noise * torch.randn(self._shape[1:], generator=generator)).to(images.device)
        return images.contiguous(memory_format=torch.channels_last)

    def shape(self, step: int) -> tuple[int, ...]:
        """As Parameterization."""
        return self._shape

    def before(self, step: int, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables

    def images(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables

    def shown(self, variables: Tensor) -> Tensor:
        """As Parameterization."""
        return variables * self._std + self._mean
