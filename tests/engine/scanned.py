"""The networks on pictures so small that a reference may run them once for each step, sample, mask or channel."""

import copy
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.engine.reference import SUGGESTED, Inputs, Load, on_grid

NETWORKS = tuple(SUGGESTED)
# Not square, so that height and width cannot be mistaken for each other; smaller where a pass is long.
SIZE = (64, 96)
SIZES = {"vgg16": (32, 48), "resnet101": (32, 48), "vit_b_16": (64, 64)}
VIT_SIDE = 64
LARGE = ("alexnet", "vgg16", "resnet101", "vit_b_16")
"""Of whose copies in float64 one at a time is kept, a gigabyte for VGG-16."""
FULL_SIZE = ("resnet18", "efficientnet_lite0")
"""Whose float32 at the size of their training is tested too."""


_kept: dict[tuple[str, Load, Inputs], tuple[nn.Module, Tensor]] = {}


def scanned(network: str, load: Load, inputs: Inputs) -> tuple[nn.Module, Tensor]:
    """A network, and two small photographs for it: [2, 3, H, W]."""
    model = load(network)
    images = F.interpolate(inputs(model)[:2], SIZES.get(network, SIZE), mode="bilinear", antialias=True)
    return (_small_vit(model.module) if network == "vit_b_16" else model.module), images.contiguous()


def precise(network: str, load: Load, inputs: Inputs) -> tuple[nn.Module, Tensor]:
    """The same in float64.

    In float32 a ReLU whose input is nearly 0 may pass one gradient and stop the other, and what a score loses by a
    small change is lost in its rounding: that would hide an error, and look like one. Of LARGE networks the one before
    is gone, wherever it is still referred to.
    """
    key = network, load, inputs
    if key not in _kept:
        if network in LARGE:
            _drop_the_large()
        module, images = scanned(network, load, inputs)
        _kept[key] = _double(module), images.double()
    return _kept[key]


def forget() -> None:
    """Let go of all copies, and of the networks that they are of."""
    _kept.clear()


def for_peers(network: str, load: Load, inputs: Inputs) -> tuple[nn.Module, Tensor]:
    """What a peer that runs the same batch is compared on: photographs in float32 for FULL_SIZE, else precise()."""
    if network not in FULL_SIZE:
        return precise(network, load, inputs)
    model = load(network)
    return model.module, inputs(model)[:2]


def activation_of(module: nn.Module, layer: str, image: Tensor) -> Tensor:
    """The output of a layer for one image, [channels, h, w]."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append(output.clone())

    handle = module.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.no_grad():
            module(image.unsqueeze(0))
    finally:
        handle.remove()
    return on_grid(outputs[-1][0])


def _double(module: nn.Module) -> nn.Module:
    """What copy.deepcopy(module).double() is, without a copy in float32 on the way: VGG-16's takes half a gigabyte."""
    doubles: dict[int, Tensor] = {}
    for tensor in chain(module.parameters(), module.buffers()):
        double = tensor.detach().to(torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)
        if isinstance(tensor, nn.Parameter):
            double = nn.Parameter(double, requires_grad=tensor.requires_grad)
        doubles[id(tensor)] = double
    return copy.deepcopy(module, doubles)


def _drop_the_large() -> None:
    """Empties them: peers leave cycles behind, which would hold gigabytes until the collector comes."""
    for key in [key for key in _kept if key[0] in LARGE]:
        module, _ = _kept.pop(key)
        for tensor in chain(module.parameters(), module.buffers()):
            tensor.data = tensor.new_empty(0)


def _small_vit(module: nn.Module) -> nn.Module:
    """A copy with the same tensors that takes pictures of 64 x 64: it knows the places of the first patches only."""
    vit = copy.deepcopy(module, {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())})
    patches = (VIT_SIDE // 16) ** 2
    encoder = vit.get_submodule("encoder")
    encoder.pos_embedding = nn.Parameter(encoder.get_parameter("pos_embedding")[:, : 1 + patches], requires_grad=False)
    vit.image_size = VIT_SIDE  # type: ignore[assignment]
    return vit
