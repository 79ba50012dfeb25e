"""What a network says of pictures as they were saved."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.models.model import Model


def recognize(model: Model, pictures: Sequence[Image.Image]) -> Tensor:
    """The class scores before the softmax, [N, classes], of 8-bit RGB pictures that are scaled whole to the model's
    input, not cropped; one that has its size is seen as it is."""
    size = (model.preprocessing.width, model.preprocessing.height)
    seen = [picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC) for picture in pictures]
    return _scores(model, [torch.from_numpy(np.array(picture)).permute(2, 0, 1) for picture in seen])


def classify_file(model: Model, picture: Image.Image) -> Tensor:
    """The class scores of one picture, [classes], as whoever sends its file to the service gets them."""
    pixels, _ = model.preprocessing.crop(picture)
    return _scores(model, [pixels])[0]


def _scores(model: Model, pixels: Sequence[Tensor]) -> Tensor:
    with torch.no_grad():
        rows = [model.module(model.preprocessing.normalize(one[None].to(model.device))) for one in pixels]
    return torch.cat(rows).float().cpu()
