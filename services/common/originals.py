"""An Image of the contract to the picture that it holds."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.engine.errors import ImageTooLarge, InvalidInput
from convscope.engine.imaging.decode import decode
from convscope.services.common.tensors import to_array, wrong_shape
from convscope.v1.image_pb2 import Image
from convscope.v1.tensor_pb2 import DataType


def read_original(image: Image, *, max_pixels: int, field: str = "image") -> PillowImage.Image:
    """The whole upright picture, 8-bit RGB. Raises ImageUndecodable, ImageTooLarge, InvalidInput; each names the
    field."""
    match image.WhichOneof("content"):
        case "encoded":
            return decode(image.encoded, max_pixels=max_pixels, field=f"{field}.encoded")
        case "pixels":
            return _pixels(image, max_pixels, f"{field}.pixels")
        case "preprocessed":
            message = "a picture that is preprocessed for a model cannot be used here; send the picture itself"
            raise InvalidInput(message, field=f"{field}.preprocessed", reason="IMAGE_PREPROCESSED")
        case _:
            raise InvalidInput("an image is required", field=field, reason="IMAGE_MISSING")


def _pixels(image: Image, max_pixels: int, field: str) -> PillowImage.Image:
    shape = list(image.pixels.shape)
    if len(shape) != 3 or shape[2] != 3:
        raise wrong_shape("[height, width, 3]", shape, field=field)
    if shape[0] * shape[1] > max_pixels:
        message = f"the picture has {shape[1]} x {shape[0]} pixels; at most {max_pixels} are accepted"
        raise ImageTooLarge(message, field=field)
    array = to_array(image.pixels, (DataType.DATA_TYPE_UINT8,), field=field)
    return PillowImage.fromarray(cast(NDArray[np.uint8], array))
