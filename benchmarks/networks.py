"""Networks to measure on, and the inputs for them."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from benchmarks.machine import DEVICE
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model

TARGET = 281


def seeded(name: str) -> Model:
    """A torchvision network with random weights, loaded as a server loads it."""
    entry = Entry(name=name, source="torchvision", network=name)
    return Catalogue({name: entry}).load(name, device=DEVICE)


def as_peers_have_it(model: Model) -> nn.Module:
    """A copy whose parameters require gradients, as torchvision gives it."""
    return deepcopy(model.module).requires_grad_()


def random_images(batch: int) -> Tensor:
    """Preprocessed, channels last: [batch, 3, 224, 224]."""
    return torch.randn(batch, 3, 224, 224, device=DEVICE).contiguous(memory_format=torch.channels_last)
