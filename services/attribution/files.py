"""Drawings as files."""

from io import BytesIO

from PIL import Image


def png(drawing: Image.Image) -> bytes:
    """Quick to write rather than small: it crosses a network once."""
    file = BytesIO()
    drawing.save(file, "PNG", compress_level=1)
    return file.getvalue()


def jpeg(drawing: Image.Image, quality: int) -> bytes:
    """quality: as Pillow has it."""
    file = BytesIO()
    drawing.save(file, "JPEG", quality=quality)
    return file.getvalue()
