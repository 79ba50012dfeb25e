"""Whatever a caller holds as a picture, to the Image of the contract."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from convscope.client.errors import InvalidArgument
from convscope.client.tensors import from_array
from convscope.engine.imaging.decode import decode, to_rgb
from convscope.v1.image_pb2 import Image

# Raw pixels are quickest on a fast network; above this they go as PNG, which loses nothing either.
RAW_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Preprocessed:
    """Says that an array is what the model itself takes: float [3, H, W], used as it is."""

    array: ArrayLike


Picture = str | Path | bytes | PillowImage.Image | NDArray[np.uint8] | Preprocessed
"""A path, an encoded file's bytes, a Pillow image, uint8 [H, W, 3] in RGB, or Preprocessed."""


def to_image(picture: Picture) -> Image:
    """Raises InvalidArgument (field `image`)."""
    match picture:
        case Preprocessed(array):
            return Image(
                preprocessed=from_array(_as_array(array, np.float32, "Preprocessed takes an array of numbers"))
            )
        case bytes() | bytearray() | memoryview():
            return Image(encoded=bytes(picture))
        case str() | Path():
            return Image(encoded=_read(Path(picture)))
        case PillowImage.Image():
            return _from_pixels(np.asarray(to_rgb(ImageOps.exif_transpose(picture))))
        case _:
            return _from_pixels(_checked(_as_array(picture, None, "an array must be uint8 [H, W, 3]")))


def to_picture(image: Image) -> PillowImage.Image | None:
    """The upright picture that was sent; None for a preprocessed one."""
    match image.WhichOneof("content"):
        case "encoded":
            return decode(image.encoded)
        case "pixels":
            return PillowImage.fromarray(np.frombuffer(image.pixels.data, np.uint8).reshape(tuple(image.pixels.shape)))
        case _:
            return None


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: a zero in the name; RuntimeError: no such ~user
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception, *, field: str = "image") -> InvalidArgument:
    """What is said of a file that cannot be read."""
    message = f"the picture {path} cannot be read: {getattr(error, 'strerror', None) or error}"
    return InvalidArgument(message, reason="IMAGE_UNREADABLE", field=field)


def _as_array(values: Any, dtype: Any, wanted: str) -> NDArray[Any]:
    try:
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{wanted}: {error}", reason="IMAGE_INVALID", field="image") from error


def _checked(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
        return array
    message = f"an array must be uint8 [H, W, 3], not {array.dtype} {list(array.shape)}"
    if array.dtype.kind == "f":
        message += "; say Preprocessed(array) where it is the model's own input"
    raise InvalidArgument(message, reason="IMAGE_INVALID", field="image")


def _from_pixels(pixels: NDArray[np.uint8]) -> Image:
    if pixels.nbytes <= RAW_BYTES:
        return Image(pixels=from_array(pixels))
    file = BytesIO()
    PillowImage.fromarray(pixels).save(file, "PNG", compress_level=1)
    return Image(encoded=file.getvalue())
