"""Ablation-CAM: the channels of a layer, weighted by what the score loses without each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.class_activation import class_activation
from convscope.engine.attribution.forward_pass import ForwardPass
from convscope.engine.attribution.inner_batches import in_inner_batches
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.parameters import ClassActivationParameters
from convscope.engine.memory import out_of_memory
from convscope.engine.models.layers import Layer

_CHANNEL_DIM = {"channels_first": 1, "channels_last": 3, "tokens": 2}


class AblationCamParameters(ClassActivationParameters):
    """Parameters of `ablation_cam`."""


def ablation_cam(batch: Batch, parameters: AblationCamParameters) -> Attribution:
    """ReLU(sum_k w_k A^k) with w_k = (S - S_k) / |S| and S_k the score with channel k set to zero, [N, 1, h, w].

    Desai & Ramaswamy 2020, "Ablation-CAM", equation 5, which divides by S: for a negative score that would turn
    evidence round, as it does in pytorch-grad-cam. A score of 0 divides by nothing. Costs a pass of what follows the
    layer for each channel.
    """
    name = parameters.looks_at(batch.layers)
    layer = batch.layers.layer(name)
    run = ForwardPass(batch.module, batch.images, batch.layers, observe=[name, *batch.observed])
    batch = batch.with_targets(batch.targets.resolve(run.scores))
    activation, explained = run.activation(name), run.values(batch.targets)
    count, channels = activation.shape[:2]
    dtype = torch.promote_types(explained.dtype, torch.float32)
    without = torch.empty(count, channels, device=activation.device, dtype=dtype)
    for image in range(count):
        picture = batch.alone(image)

        def ablate(rows: range, image: int = image, picture: Batch = picture) -> None:
            without[image, rows.start : rows.stop] = _values_without(picture, layer, rows)

        in_inner_batches(picture, channels, ablate, gradients=False)
    scale = explained.abs()
    weights = (explained.unsqueeze(1) - without) / torch.where(scale == 0, 1, scale).unsqueeze(1)
    values = class_activation(weights.view(count, channels, 1, 1), activation, parameters)
    return Attribution(values, run.scores, batch.targets, explained)


def _values_without(picture: Batch, layer: Layer, channels: range) -> Tensor:
    """What the target of one picture is with each of the channels set to zero, [len(channels)].

    The picture goes alone up to the layer, and a stack of ablated copies from there. Where copies meet what was
    computed for the one picture in a way that does not broadcast (a concatenation), all of the pass has copies.
    """
    copies = [0] * len(channels)
    with _without(picture, layer, channels):
        try:
            return picture.values(picture.images, copies)
        except Exception as error:  # a network's own checks may raise anything
            if out_of_memory(error):
                raise
        return picture.values(picture.images[copies], copies)


@contextmanager
def _without(picture: Batch, layer: Layer, channels: range) -> Iterator[None]:
    """In the last run of the layer, copy i of the picture has no channel channels[i]."""
    runs = 0

    def ablate(_: Any, __: Any, output: Tensor) -> Tensor | None:
        nonlocal runs
        runs += 1
        if runs % layer.calls:
            return None
        stack = output.expand(len(channels), *output.shape[1:]).clone()
        stack.movedim(_CHANNEL_DIM[layer.layout], 1)[range(len(channels)), list(channels)] = 0
        return stack

    handle = picture.module.get_submodule(layer.name).register_forward_hook(ablate)
    try:
        yield
    finally:
        handle.remove()
