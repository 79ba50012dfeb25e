"""What stands in a picture where something is taken out of it."""

from typing import Any, Literal

import torch
from pydantic import ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.parameters import Color, MethodParameters

Fill = Literal["zero", "grey", "mean", "blur"]
# Of the shorter side: what is left is colour without shape.
BLUR = 1 / 12


class FillParameters(MethodParameters):
    """Parameters of a method that takes parts of a picture out."""

    fill: Fill = "zero"
    """zero: of the preprocessed input, the mean colour of the pictures that the network was trained on; grey: half way
    between black and white; mean: the picture's own mean colour; blur: the picture without its detail."""
    fill_color: Color | None = None
    """A colour instead of `fill`."""

    @field_validator("fill_color", mode="wrap")
    @classmethod
    def _as_a_whole(cls, color: Any, check: ValidatorFunctionWrapHandler) -> Color | None:
        try:
            checked: Color | None = check(color)
        except ValidationError as error:
            message = "Input should be three numbers from 0 to 1: red, green and blue"
            raise PydanticCustomError("color", message) from error
        return checked


def empty_pictures(batch: Batch, parameters: FillParameters) -> Tensor:
    """Each picture of a batch with everything taken out, preprocessed: [N, 3, H, W]."""
    images = batch.images
    color = (0.5, 0.5, 0.5) if parameters.fill == "grey" else None
    if parameters.fill_color is not None:
        color = parameters.fill_color
    if color is not None:
        mean, std, shade = (
            torch.tensor(channels, device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
            for channels in (batch.preprocessing.mean, batch.preprocessing.std, color)
        )
        return ((shade - mean) / std).expand_as(images)
    match parameters.fill:
        case "mean":
            return images.mean(dim=(2, 3), keepdim=True).expand_as(images)
        case "blur":
            sigma = max(1.0, min(images.shape[2:]) * BLUR)
            size = 2 * min(int(3 * sigma), (min(images.shape[2:]) - 1) // 2) + 1
            blurred: Tensor = gaussian_blur(images, [size, size], [sigma, sigma])
            return blurred
        case _:
            return torch.zeros_like(images)
