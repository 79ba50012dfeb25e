"""A tiny network, and double precision."""

from collections.abc import Iterator

import pytest
import torch

from convscope.engine.models.model import Model
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import around, tiny_network


@pytest.fixture(scope="package")
def tiny(load: Load) -> Model:
    """A model of tiny_network() for pictures of 48 x 40."""
    return around(load("resnet18"), tiny_network())


@pytest.fixture(scope="package")
def tiny_exactly(load: Load) -> Model:
    """The same in float64; use it with `exactly`."""
    return around(load("resnet18"), tiny_network().double())


@pytest.fixture
def exactly() -> Iterator[None]:
    """Tensors are float64 where nobody says otherwise: against references whose own rounding is not to be told from
    ours."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
