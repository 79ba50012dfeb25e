"""What passes show, found the long way: a full graph, backward(), one image after the other."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import inf, isqrt
from typing import Any, Literal
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.engine.models.model import Model
from tests.engine.rounding import assert_same_but_rounding

SUGGESTED = {
    "alexnet": "features.11",
    "vgg16": "features.29",
    "resnet18": "layer4",
    "resnet101": "layer4",
    "densenet121": "features",
    "googlenet": "inception5b",
    "efficientnet_lite0": "head",
    "vit_b_16": "encoder.layers.encoder_layer_11.ln_1",
}
RELUS = {
    "alexnet": 7,
    "vgg16": 15,
    "resnet18": 17,
    "resnet101": 100,
    "densenet121": 121,
    "googlenet": 57,
    "efficientnet_lite0": 33,
}
"""How many ReLUs one pass runs."""
TARGETS = [281, 3]

Load = Callable[[str], Model]
Inputs = Callable[[Model], Tensor]
Rule = Literal["backprop", "deconvnet", "guided"]
Shows = Callable[[str], list["Shown"]]
Modified = Callable[[str, Rule], Tensor]


@dataclass(frozen=True)
class Shown:
    """What an image shows on its way through a network and back from its target's score."""

    pixels: Tensor
    """dS/dI, [3, H, W]."""
    activation: Tensor
    """Of the suggested layer, [channels, h, w]."""
    gradient: Tensor
    """dS/dA, [channels, h, w]."""


def show(module: nn.Module, layer: str, image: Tensor, target: int) -> Shown:
    pixels = image.clone().requires_grad_()
    *_, (activation, gradient) = runs_of(module, layer, pixels, target)
    assert pixels.grad is not None
    return Shown(pixels.grad, on_grid(activation), on_grid(gradient))


def runs_of(module: nn.Module, layer: str, image: Tensor, target: int) -> list[tuple[Tensor, Tensor]]:
    """Activation and gradient of every run of a layer, for one image that requires a gradient."""
    activations: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        kept = output.clone()
        kept.retain_grad()
        activations.append(kept)
        return kept.clone()

    handle = module.get_submodule(layer).register_forward_hook(keep)
    try:
        scores = module(image.unsqueeze(0))
        scores[0, target].backward()
    finally:
        handle.remove()
    runs = []
    for activation in activations:
        assert activation.grad is not None
        runs.append((activation.detach()[0], activation.grad[0]))
    return runs


def on_grid(output: Tensor) -> Tensor:
    """The output of a layer for one image as [channels, h, w]; ViT has a class token, then a square row by row."""
    if output.ndim == 3:
        return output
    side = isqrt(len(output) - 1)
    return output[1:].reshape(side, side, -1).permute(2, 0, 1)


class Rectify(torch.autograd.Function):
    """ReLU with the backward rules as the lecture writes them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, upper: float, rule: Rule) -> Tensor:
        ctx.save_for_backward(x)
        ctx.upper, ctx.rule = upper, rule
        return x.clamp(min=0).clamp(max=upper)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        passed = gradient
        if ctx.rule in ("backprop", "guided"):
            passed = passed * (x > 0) * (x < ctx.upper)
        if ctx.rule in ("deconvnet", "guided"):
            passed = passed * (gradient > 0)
        return passed, None, None


class Rectifier(nn.Module):
    """In the place of nn.ReLU and nn.ReLU6."""

    def __init__(self, upper: float, rule: Rule) -> None:
        super().__init__()
        self.upper, self.rule = upper, rule
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        rectified: Tensor = Rectify.apply(x, self.upper, self.rule)
        return rectified


@dataclass
class Rewritten:
    module: nn.Module
    functional: int = 0
    """How many functional ReLUs ran."""

    @property
    def relus(self) -> int:
        """How many ReLUs ran."""
        return self.functional + sum(part.runs for part in self.module.modules() if isinstance(part, Rectifier))


@contextmanager
def rewritten(module: nn.Module, rule: Rule, *, functional: bool = True) -> Iterator[Rewritten]:
    """A copy whose ReLU modules have the rule; within the block functional ReLUs have it too, if wanted."""
    shared = {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())}
    found = Rewritten(copy.deepcopy(module, shared))
    for part in list(found.module.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.ReLU | nn.ReLU6):
                setattr(part, name, Rectifier(6 if isinstance(child, nn.ReLU6) else inf, rule))

    def relu(x: Tensor, inplace: bool = False) -> Tensor:
        found.functional += 1
        rectified: Tensor = Rectify.apply(x, inf, rule)
        return rectified

    if not functional:
        yield found
        return
    with patch.object(F, "relu", relu):
        yield found


def modified_gradient(module: nn.Module, image: Tensor, target: int) -> Tensor:
    pixels = image.clone().requires_grad_()
    module(pixels.unsqueeze(0))[0, target].backward()
    assert pixels.grad is not None
    return pixels.grad


def gradients_by(rule: Rule, module: nn.Module, images: Tensor, *, relus: int) -> Tensor:
    """The gradient of images by a backward rule, for the TARGETS, through so many ReLUs each: [2, 3, H, W]."""
    with rewritten(module, rule) as copy:
        pairs = zip(images, TARGETS, strict=True)
        gradients = [modified_gradient(copy.module, image, target) for image, target in pairs]
    assert copy.relus == len(images) * relus
    return torch.stack(gradients)


def assert_same_where_there_is_evidence(found: Tensor, expected: Tensor) -> None:
    """Random weights may find no evidence at all in an image, which is then all zero; not in every image."""
    evident = expected.flatten(1).any(dim=1)
    assert evident.any()
    assert torch.equal(found.flatten(1).any(dim=1), evident)
    assert_same_but_rounding(found[evident], expected[evident])
