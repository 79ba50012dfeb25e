"""How a picture becomes a network's input, and which part of it the network then sees."""

from typing import Annotated, Literal, Self

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from torch import Tensor

Region = tuple[float, float, float, float]
Channels = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Length = Annotated[int, Field(ge=1, le=4096)]


class Preprocessing(BaseModel):
    """Scale the shorter side to `resize`, crop the middle, scale to 0..1, take off the mean, divide by the std.

    The defaults are those of torchvision's ImageNet classifiers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: Length = 256
    """Length of the shorter side after scaling, pixels; at least the longer side of the crop."""
    height: Length = 224
    """Height of the crop, pixels."""
    width: Length = 224
    """Width of the crop, pixels."""
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    """How the scaling interpolates, with antialiasing."""
    mean: Channels = (0.485, 0.456, 0.406)
    """Mean of red, green, blue, of values 0 to 1."""
    std: Channels = (0.229, 0.224, 0.225)
    """Standard deviation of red, green, blue, of values 0 to 1."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if max(self.height, self.width) > self.resize:
            raise ValueError(f"resize {self.resize} is smaller than the crop {self.height} x {self.width}")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        return self

    def region(self, width: int, height: int) -> Region:
        """The part (left, top, right, bottom) of a width x height picture that the network sees."""
        short = min(width, height)
        scaled_width = self.resize if width == short else int(self.resize * width / height)
        scaled_height = self.resize if height == short else int(self.resize * height / width)
        left, top = round((scaled_width - self.width) / 2), round((scaled_height - self.height) / 2)
        scale_x, scale_y = width / scaled_width, height / scaled_height
        right, bottom = left + self.width, top + self.height
        return (
            left * scale_x,
            top * scale_y,
            min(right * scale_x, float(width)),
            min(bottom * scale_y, float(height)),
        )

    def crop(self, picture: Image.Image) -> tuple[Tensor, Region]:
        """Scale and crop an upright RGB picture: uint8 [3, height, width], and the region that it shows.

        Only the region is resampled, at a cost that does not grow with the picture's proportions. The values are
        those of scaling the whole picture and cropping then, but for a level of 255 in less than a hundredth of them.
        """
        region = self.region(*picture.size)
        resampling = Image.Resampling[self.interpolation.upper()]
        scaled = picture.resize((self.width, self.height), resampling, box=region)
        return torch.from_numpy(np.array(scaled)).permute(2, 0, 1), region

    def normalize(self, pixels: Tensor) -> Tensor:
        """uint8 [N, 3, height, width] to the network's float input, on the device of `pixels`."""
        count, channels, height, width = pixels.shape
        # Rows of whole pixels, which are computed with in one sweep; three numbers at a time would take four times as
        # long.
        mean, std = (torch.tensor(values, device=pixels.device).repeat(width) for values in (self.mean, self.std))
        rows = pixels.permute(0, 2, 3, 1).to(torch.float32).reshape(count, height, width * channels)
        return ((rows / 255 - mean) / std).view(count, height, width, channels).permute(0, 3, 1, 2)

    def denormalize(self, images: Tensor) -> Tensor:
        """The network's input back to uint8 [N, 3, height, width]: the very pixels that normalize() was given.

        What is no picture, noise for instance, is rounded and clipped to one.
        """
        mean, std = (
            torch.tensor(channels, device=images.device).view(1, 3, 1, 1) for channels in (self.mean, self.std)
        )
        return ((images.float() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
