"""Files that travel inside the page's own messages, so that no server has to keep them."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def png_url(picture: Image.Image) -> str:
    """Without loss, and quick to make."""
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return data_url(file.getvalue(), "image/png")


def jpeg_url(picture: Image.Image, quality: int = 90) -> str:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return data_url(file.getvalue(), "image/jpeg")


def npy_url(values: np.ndarray) -> str:
    """What numpy.load reads."""
    file = BytesIO()
    np.save(file, values, allow_pickle=False)
    return data_url(file.getvalue(), "application/octet-stream")
