"""The generators that Dosovitskiy & Brox published with their paper of 2016, with which DGN-AM and PPGN were made: from
CaffeNet's fc6, fc7 or fc8 to a picture of 256 x 256 pixels.

Their files come as state dicts whose names are those of the published caffe network:

    defc7, defc6, defc5              linear; of the generators from fc7 and fc8 defc7, defc6 and defc5 too
    deconv5 ... deconv0              up-convolutions 4 x 4, each doubling the sides
    conv5_1, conv4_1, conv3_1        convolutions 3 x 3 behind the first three, kept as transposed ones

each with `.weight` and `.bias`. Some ports call them deconv5_0 and deconv5_1: both are read.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from convscope.engine.errors import ModelUnloadable
from convscope.engine.generation.generator import Generator
from convscope.engine.generation.generator_shape import GeneratorShape, Stage
from convscope.engine.models.weights import read_state_dict

LAYERS: Mapping[str, tuple[str, ...]] = {
    "dense0": ("defc7",),
    "dense1": ("defc6",),
    "start": ("defc5",),
    "up0": ("deconv5", "deconv5_0"),
    "conv0": ("conv5_1", "deconv5_1"),
    "up1": ("deconv4", "deconv4_0"),
    "conv1": ("conv4_1", "deconv4_1"),
    "up2": ("deconv3", "deconv3_0"),
    "conv2": ("conv3_1", "deconv3_1"),
    "up3": ("deconv2",),
    "up4": ("deconv1",),
    "up5": ("deconv0",),
}
"""Our names, and under which a published file has them."""
SIDE = 256
"""Of the pictures, pixels."""
_STAGES = ((256, 512), (256, 256), (128, 128), (64, 0), (32, 0), (3, 0))
_DENSE = 4096


def published_shape(length: int = 4096, height: int = SIDE, width: int = SIDE) -> GeneratorShape:
    """length: of the code, 4096 for fc6 and fc7, 1000 for fc8. height, width: of the middle of the picture that is
    kept, 227 for CaffeNet."""
    return GeneratorShape(
        code=(length, 1, 1),
        dense=(_DENSE, _DENSE),
        start=(256, 4, 4),
        stages=tuple(Stage(up=up, conv=conv) for up, conv in _STAGES),
        height=height,
        width=width,
        norm=False,
        resize=False,
        output="caffe",
    )


def load_published(path: Path, height: int = SIDE, width: int = SIDE) -> Generator:
    """A safetensors or state-dict file; height, width: as of published_shape(). It takes raw codes, [N, length, 1, 1],
    as CaffeNet's layer gives them. Raises ModelUnloadable, which names what is missing."""
    state = {name.removeprefix("module."): tensor for name, tensor in read_state_dict(path).items()}
    found = dict(_renamed(state, path))
    dense = found.get("layers.dense0.weight")
    length = dense.shape[1] if dense is not None and dense.ndim == 2 else 0
    with torch.device("meta"):
        generator = Generator(published_shape(max(1, length), height, width))
    try:
        generator.load_state_dict(found, assign=True)
    except RuntimeError as error:
        message = f"the weights in {path} are not of a published generator: {' '.join(str(error).split())[:400]}"
        raise ModelUnloadable(message) from error
    return generator.eval().requires_grad_(False)


def _renamed(state: Mapping[str, Tensor], path: Path) -> list[tuple[str, Tensor]]:
    known = {name: ours for ours, names in LAYERS.items() for name in names}
    renamed = []
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        if layer not in known:
            raise ModelUnloadable(f"the weights in {path} are not of a published generator: it has no layer {layer!r}")
        renamed.append((f"layers.{known[layer]}.{part}", tensor.float()))
    return renamed
