"""Pictures to learn from."""

from collections.abc import Iterable
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.decode import to_rgb
from convscope.engine.models.model import Model


class Pictures(Protocol):
    """Each as the model sees it: uint8 [3, H, W]. One tensor of all, [N, 3, H, W], is such a thing."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Tensor: ...


def seen(model: Model, pictures: Iterable[Image.Image]) -> Tensor:
    """Of pictures of any size what the model sees of each, uint8 [N, 3, H, W]. Raises InvalidInput (field `pictures`)
    for none."""
    cropped = [model.preprocessing.crop(to_rgb(picture))[0] for picture in pictures]
    if not cropped:
        raise InvalidInput("there are no pictures to learn from", field="pictures", reason="TOO_FEW_PICTURES")
    return torch.stack(cropped)
