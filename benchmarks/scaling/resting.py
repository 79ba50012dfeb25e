"""Networks that take no processor time to speak of."""

import time

from torch import Tensor, nn

DEVICE_SECONDS = 0.02


class Instant(nn.Module):
    """Tiny."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, stride=8)
        self.classifier = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.features(images).relu().mean((2, 3)))
        return scores


class Resting(Instant):
    """As slow as its device, which computes while the processor rests, as a GPU does."""

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(DEVICE_SECONDS)
        return super().forward(images)
