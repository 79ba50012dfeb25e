"""What is drawn of pictures on their way."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

# Side of one picture in a preview, pixels, and most pictures in a row of it.
SIDE, COLUMNS = 160, 8
FRAME_MILLISECONDS, LAST_MILLISECONDS = 120, 1500


def preview(pictures: Sequence[Image.Image]) -> bytes:
    """The pictures side by side, small: a JPEG."""
    small = [_shrunk(picture) for picture in pictures]
    width, height = max(one.width for one in small), max(one.height for one in small)
    columns = min(COLUMNS, len(small))
    sheet = Image.new("RGB", (columns * width, -(-len(small) // columns) * height))
    for place, one in enumerate(small):
        sheet.paste(one, (place % columns * width, place // columns * height))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=80)
    return file.getvalue()


def _shrunk(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    return small


def animation(frames: Sequence[bytes]) -> bytes:
    """Previews one after the other, the last for longer: a GIF that is repeated for ever."""
    first, *rest = [Image.open(BytesIO(frame)).convert("RGB") for frame in frames]
    times = [FRAME_MILLISECONDS] * len(rest) + [LAST_MILLISECONDS]
    file = BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=times, loop=0)
    return file.getvalue()


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
