"""A network small enough that hundreds of syntheses cost nothing, and what its layers give."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convscope.engine.models.layers import map_layers
from convscope.engine.models.model import Model

HEIGHT, WIDTH = 48, 40


def tiny_network() -> nn.Sequential:
    """Four convolutions, ReLU and ReLU6, batch norm; 1000 classes, as its labels are ImageNet's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU6(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 1000),
        )
        for part in network:
            if isinstance(part, nn.Conv2d | nn.Linear):  # torch's own shrinks what passes until nothing is left
                nn.init.kaiming_normal_(part.weight)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def resized(model: Model, height: int, width: int) -> Model:
    """A model that takes pictures of another size."""
    return replace(model, preprocessing=model.preprocessing.model_copy(update={"height": height, "width": width}))


def around(model: Model, module: nn.Module, height: int = HEIGHT, width: int = WIDTH, **changes: Any) -> Model:
    """A model of that network, with all else as `model` has it."""
    dtype = next((parameter.dtype for parameter in module.parameters()), torch.float32)
    layers = map_layers(module, torch.zeros(1, 3, height, width, dtype=dtype))
    return replace(resized(model, height, width), module=module, layers=layers, **changes)


def hooked(module: nn.Module, layer: str, images: Tensor) -> Tensor:
    """A layer's output of a pass through all of a network."""
    outputs: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    try:
        module(images)
    finally:
        handle.remove()
    return outputs[-1]
