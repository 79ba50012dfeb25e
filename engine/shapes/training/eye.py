"""How the eye learns to see, before the networks learn what they are asked."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.engine.shapes.networks.eye import FEATURES, eye
from convscope.engine.shapes.training.examples import KINDS, Examples
from convscope.engine.shapes.training.loop import train

EPOCHS, RATE = 5, 4e-3


def train_eye(examples: Examples, seed: int) -> dict[str, Tensor]:
    """Weights of an eye() that tells what is at each place: what a network brings along that was trained on ImageNet
    and then learns to caption."""
    torch.manual_seed(seed)
    seeing = eye()
    naming = nn.Sequential(seeing, nn.Conv2d(FEATURES, KINDS, 1))

    def loss(places: Tensor) -> Tensor:
        return functional.cross_entropy(naming(examples.inputs(places)), examples.places[places].long())

    train(naming, len(examples), loss, epochs=EPOCHS, seed=seed, rate=RATE)
    return seeing.state_dict()
