"""Masks and attention maps: grey pictures, whatever a caller holds them as, to files, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.errors import InvalidArgument
from convscope.client.images import Picture, to_image, to_picture
from convscope.client.synthesis import to_picture as decoded
from convscope.client.synthesis import to_png

Grey = Picture | NDArray[np.bool_] | NDArray[np.floating[Any]]
"""What Picture can be but Preprocessed, or an array [H, W]: bool, uint8, or float of 0 to 1."""
WHITE = 255
WANTED = "an array [H, W] must be bool, uint8, or float of 0 to 1"


def to_grey_file(picture: Grey, *, field: str) -> bytes:
    """A file goes as it is; what is no file yet becomes a grey PNG. Raises InvalidArgument that names the field."""
    if isinstance(picture, np.ndarray) and picture.ndim == 2:
        return to_png(PillowImage.fromarray(_levels(picture, field)))
    try:
        image = to_image(picture)  # type: ignore[arg-type]  # what is no picture is told by it
    except InvalidArgument as error:
        error.field = field
        raise
    if image.WhichOneof("content") == "encoded":
        return image.encoded
    pixels = to_picture(image)
    if pixels is None:
        message = "an array that is preprocessed for a model is no picture"
        raise InvalidArgument(message, field=field, reason="IMAGE_PREPROCESSED")
    return to_png(pixels.convert("L"))


def to_levels(data: bytes, what: str) -> NDArray[np.uint8]:
    """[H, W] of a file, upright. Raises ServerFault, which says what it is, for bytes that are no picture."""
    return np.asarray(decoded(data, what).convert("L"))


def _levels(array: NDArray[Any], field: str) -> NDArray[np.uint8]:
    if array.size == 0:
        raise InvalidArgument(f"an array {list(array.shape)} has no pixels", field=field, reason="IMAGE_INVALID")
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(WHITE)
    if array.dtype.kind != "f":
        message = f"{WANTED}, not {array.dtype}"
        raise InvalidArgument(message, field=field, reason="IMAGE_INVALID")
    # Not so of NaN either.
    if not (array.min() >= 0 and array.max() <= 1):
        message = f"{WANTED}; it has {array.min():.4g} to {array.max():.4g}"
        raise InvalidArgument(message, field=field, reason="IMAGE_INVALID")
    levels: NDArray[np.uint8] = (array * WHITE).round().astype(np.uint8)
    return levels
