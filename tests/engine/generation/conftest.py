"""A tiny network with a prior of it."""

import pytest

from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.training import Training
from convscope.engine.models.model import Model
from tests.engine.generation.made_pictures import bars
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import HEIGHT, WIDTH, around, tiny_network


@pytest.fixture(scope="package")
def tiny(load: Load) -> Model:
    """A model of tiny_network() for pictures of 48 x 40."""
    return around(load("resnet18"), tiny_network())


@pytest.fixture(scope="package")
def prior(tiny: Model) -> Prior:
    """Of its vector behind the pooling; trained for a second."""
    training = Training(tiny, "12", bars(64, HEIGHT, WIDTH), TrainingParameters(steps=30, batch=8, seed=1))
    for _ in training:
        pass
    return training.prior()
