"""The network of the servers that are fuzzed: the smallest that has what the methods look for."""

from torch import Tensor, nn

SIZE = 32
LABELS = ("cat", "dog", "Crane", "crane", "", "猫 \u202e\U0001f98a")


class Small(nn.Module):
    """Convolutions, batch norm, ReLUs in place, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(8, len(LABELS))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return scores


def small() -> nn.Module:
    return Small()
