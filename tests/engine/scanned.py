"""The networks on pictures so small that a reference may run them once for each step, sample, mask or channel."""

import copy
from functools import lru_cache
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.engine.reference import SUGGESTED, Inputs, Load

NETWORKS = tuple(SUGGESTED)
# Not square, so that height and width cannot be mistaken for each other; smaller where a pass is long.
SIZE = (64, 96)
SIZES = {"vgg16": (32, 48), "resnet101": (32, 48), "vit_b_16": (64, 64)}
VIT_SIDE = 64


def scanned(network: str, load: Load, inputs: Inputs) -> tuple[nn.Module, Tensor]:
    """A network, and two small photographs for it: [2, 3, H, W]."""
    model = load(network)
    images = F.interpolate(inputs(model)[:2], SIZES.get(network, SIZE), mode="bilinear", antialias=True)
    return (_small_vit(model.module) if network == "vit_b_16" else model.module), images.contiguous()


@lru_cache(maxsize=2)
def precise(network: str, load: Load, inputs: Inputs) -> tuple[nn.Module, Tensor]:
    """The same in float64.

    In float32 a ReLU whose input is nearly 0 may pass one gradient and stop the other, and what a score loses by a
    small change is lost in its rounding: that would hide an error, and look like one.
    """
    module, images = scanned(network, load, inputs)
    return copy.deepcopy(module).double(), images.double()


def activation_of(module: nn.Module, layer: str, image: Tensor) -> Tensor:
    """The output of a layer for one image, [channels, h, w]. ViT has a class token, then the patches row by row."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append(output.clone())

    handle = module.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.no_grad():
            module(image.unsqueeze(0))
    finally:
        handle.remove()
    output = outputs[-1][0]
    if output.ndim == 3:
        return output
    side = int((len(output) - 1) ** 0.5)
    return output[1:].reshape(side, side, -1).permute(2, 0, 1)


def _small_vit(module: nn.Module) -> nn.Module:
    """A copy with the same tensors that takes pictures of 64 x 64: it knows the places of the first patches only."""
    vit = copy.deepcopy(module, {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())})
    patches = (VIT_SIDE // 16) ** 2
    encoder = vit.get_submodule("encoder")
    encoder.pos_embedding = nn.Parameter(encoder.get_parameter("pos_embedding")[:, : 1 + patches], requires_grad=False)
    vit.image_size = VIT_SIDE  # type: ignore[assignment]
    return vit
