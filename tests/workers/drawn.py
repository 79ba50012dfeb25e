"""What was drawn of pictures on their way."""

from io import BytesIO

from PIL import Image


def last_frame(gif: bytes) -> Image.Image:
    """RGB."""
    with Image.open(BytesIO(gif)) as way:
        way.seek(getattr(way, "n_frames", 1) - 1)
        return way.convert("RGB")
