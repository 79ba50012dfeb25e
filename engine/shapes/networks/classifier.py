"""What the largest thing is."""

from torch import Tensor, nn

from convscope.engine.shapes.networks.eye import FEATURES, eye
from convscope.engine.shapes.vocabulary import LABELS


class Classifier(nn.Module):
    """Global average pooling and one linear layer, as in Network in Network (Lin et al. 2013): CAM is Grad-CAM here."""

    def __init__(self) -> None:
        super().__init__()
        self.eye = eye()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(FEATURES, len(LABELS))

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, 64, 64] to scores of LABELS, [N, labels]."""
        scores: Tensor = self.classifier(self.flatten(self.pool(self.eye(images))))
        return scores
