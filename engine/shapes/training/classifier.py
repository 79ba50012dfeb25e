"""The classifier's training, and how often it is right."""

import torch
from torch import Tensor
from torch.nn import functional

from convscope.engine.shapes.networks.classifier import Classifier
from convscope.engine.shapes.networks.reading import PREPROCESSING
from convscope.engine.shapes.training.examples import Examples
from convscope.engine.shapes.training.loop import train

EPOCHS, RATE = 4, 2e-3


def train_classifier(examples: Examples, seeing: dict[str, Tensor], seed: int) -> Classifier:
    torch.manual_seed(seed)
    classifier = Classifier()
    classifier.eye.load_state_dict(seeing)

    def loss(places: Tensor) -> Tensor:
        return functional.cross_entropy(classifier(examples.inputs(places)), examples.labels[places])

    train(classifier, len(examples), loss, epochs=EPOCHS, seed=seed, rate=RATE)
    return classifier


@torch.no_grad()
def right_classes(classifier: Classifier, examples: Examples) -> Tensor:
    """Whether the largest thing of each picture is named, bool [N]."""
    parts = torch.split(examples.images, 500)
    scores = torch.cat([classifier(PREPROCESSING.normalize(part)) for part in parts])
    return scores.argmax(dim=1) == examples.labels
