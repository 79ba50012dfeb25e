"""A network from codes to pictures. Dosovitskiy & Brox 2016, "Generating Images with Perceptual Similarity Metrics
based on Deep Networks", table 1 of the appendix."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from convscope.engine.generation.codes import tamed
from convscope.engine.generation.generator_shape import GeneratorShape

# Means of blue, green and red over ImageNet, grey levels, as caffe's networks take them off.
CAFFE_MEAN = (104.0, 117.0, 123.0)
_Convolution = nn.Conv2d | nn.ConvTranspose2d


class Generator(nn.Module):
    """Stages, each of which doubles the sides, by an up-convolution or an interpolation, with a convolution behind it:

    code ── dense ── start ─┬─ stage: twice the sides ── convolution ─┬─ ... ── middle ── colours
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        channels, rows, columns = shape.code
        vector = rows * columns == 1
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if vector:
            length = channels
            for place, wide in enumerate(shape.dense):
                parts[f"dense{place}"] = nn.Linear(length, wide)
                parts[f"dense{place}_activation"] = nn.LeakyReLU(shape.slope)
                length = wide
            wide, high, across = shape.start
            parts["start"] = nn.Linear(length, wide * high * across)
            parts["map"] = nn.Unflatten(1, shape.start)
        else:
            parts["start"] = nn.Conv2d(channels, shape.start[0], 3, padding=1)
        self.vector = vector
        parts["start_activation"] = nn.LeakyReLU(shape.slope)
        inputs = shape.start[0]
        for place, stage in enumerate(shape.stages):
            last = place == len(shape.stages) - 1
            if shape.resize:
                parts[f"larger{place}"] = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            parts |= self._layer(f"up{place}", self._up(inputs, stage.up), last and not stage.conv)
            inputs = stage.up
            if stage.conv:
                # The papers' are up-convolutions too, which here is but another order of the weights.
                parts |= self._layer(f"conv{place}", nn.ConvTranspose2d(inputs, stage.conv, 3, 1, 1), last)
                inputs = stage.conv
        self.layers = nn.Sequential(parts)

    def _up(self, inputs: int, outputs: int) -> _Convolution:
        if self.shape.resize:
            return nn.Conv2d(inputs, outputs, 3, padding=1)
        return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)

    def _layer(self, name: str, convolution: _Convolution, last: bool) -> dict[str, nn.Module]:
        """A convolution with what follows it; behind the last one nothing does."""
        if last:
            return {name: convolution}
        norm = {f"{name}_norm": nn.BatchNorm2d(convolution.out_channels)} if self.shape.norm else {}
        return {name: convolution, **norm, f"{name}_activation": nn.LeakyReLU(self.shape.slope)}

    def forward(self, codes: Tensor) -> Tensor:
        """Codes [N, *shape.code] to pictures [N, 3, height, width], red, green and blue, 0 to 1; what is made for caffe
        may leave that range."""
        known = tamed(codes) if self.shape.tamed else codes
        made: Tensor = self.layers(known.flatten(1) if self.vector else known)
        top, left = (made.shape[2] - self.shape.height) // 2, (made.shape[3] - self.shape.width) // 2
        middle = made[:, :, top : top + self.shape.height, left : left + self.shape.width]
        if self.shape.output == "sigmoid":
            return middle.sigmoid()
        # Made here, not kept: a generator that is read from a file is made without memory of its own first.
        mean = torch.tensor(CAFFE_MEAN, dtype=middle.dtype, device=middle.device).view(1, 3, 1, 1)
        return ((middle + mean) / 255).flip(1)
