"""Tells made pictures from real ones, given the code of which one is made. Dosovitskiy & Brox 2016, section 3."""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SIDE = 4
"""Of the last map, at most."""
WIDEST = 512


class Discriminator(nn.Module):
    """Strided convolutions; what they see is compared with the code by a dot product (Miyato & Koyama 2018). Their
    norms are held at 1 (Miyato et al. 2018), which keeps the two from running away from each other."""

    def __init__(self, code: tuple[int, int, int], height: int, width: int, channels: int) -> None:
        """code: channels, height, width. height, width: of the pictures. channels: of the first map."""
        super().__init__()
        layers: list[nn.Module] = [spectral_norm(nn.Conv2d(3, channels, 4, 2, 1)), nn.LeakyReLU(0.2)]
        side = max(height, width) // 2
        while side > SIDE:
            wider = min(WIDEST, 2 * channels)
            layers += [spectral_norm(nn.Conv2d(channels, wider, 4, 2, 1)), nn.LeakyReLU(0.2)]
            channels, side = wider, side // 2
        self.seeing = nn.Sequential(*layers)
        self.real = spectral_norm(nn.Linear(channels, 1))
        self.fitting = spectral_norm(nn.Linear(code[0], channels))

    def forward(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """Logits [N] that a picture, [N, 3, H, W] from 0 to 1, is a real one with that code, in standard deviations."""
        seen = self.seeing(2 * pictures - 1).sum(dim=(2, 3))
        told: Tensor = self.real(seen).squeeze(1) + (seen * self.fitting(codes.mean(dim=(2, 3)))).sum(dim=1)
        return told
