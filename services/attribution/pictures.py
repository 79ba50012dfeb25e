"""An Image of the contract to what a model takes."""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.models.preprocessing import Preprocessing, Region
from convscope.services.common.originals import read_original
from convscope.services.common.tensors import FLOATS, to_array, wrong_shape
from convscope.v1.image_pb2 import Image


@dataclass(frozen=True)
class Picture:
    """One picture, ready for the queue."""

    image: Tensor
    """uint8 [3, H, W], cropped; or float32 [3, H, W], preprocessed."""
    region: Region
    """The part of the original that `image` shows."""
    original: PillowImage.Image | None
    """The whole upright picture; None for a preprocessed one."""


class PictureReader:
    """Reads pictures, so many at once and no larger than allowed."""

    def __init__(self, *, at_once: int, max_pixels: int) -> None:
        self._turns = threading.BoundedSemaphore(at_once)
        self._max_pixels = max_pixels

    def read(self, image: Image, preprocessing: Preprocessing) -> Picture:
        """Raises ImageUndecodable, ImageTooLarge, InvalidInput; each names the field."""
        with self._turns:
            if image.WhichOneof("content") == "preprocessed":
                return _preprocessed(image, preprocessing)
            original = read_original(image, max_pixels=self._max_pixels)
            cropped, region = preprocessing.crop(original)
            return Picture(cropped, region, original)


def _preprocessed(image: Image, preprocessing: Preprocessing) -> Picture:
    field = "image.preprocessed"
    height, width = preprocessing.height, preprocessing.width
    shape = list(image.preprocessed.shape)
    if shape != [3, height, width]:
        raise wrong_shape(f"[3, {height}, {width}] for this model", shape, field=field)
    array = to_array(image.preprocessed, FLOATS, field=field).astype(np.float32)
    if not np.isfinite(array).all():
        raise InvalidInput(
            "the values must be finite; there is NaN or infinity", field=field, reason="VALUE_NOT_FINITE"
        )
    return Picture(torch.from_numpy(array), (0.0, 0.0, float(width), float(height)), None)
