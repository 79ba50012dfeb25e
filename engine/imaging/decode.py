"""Picture files to upright RGB."""

import re
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from convscope.engine.errors import ImageTooLarge, ImageUndecodable

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 50_000_000
MAX_SCANS = 100
"""Of a progressive JPEG. Each, of a few bytes, goes over the whole picture; encoders write about ten."""
# Within a scan, 0xff stands before 0 or the number of a restart; before anything else it begins a marker with a length,
# but for 1, which has none.
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")
_SCAN, _END = b"\xda", b"\xd9"


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, field: str = "image") -> Image.Image:
    """Decode a JPEG, PNG or WebP file to an upright 8-bit RGB picture.

    EXIF orientation is applied. Transparent pixels are shown on white, 16-bit grey is scaled to 8 bits, CMYK
    and palettes are converted; of an animation the first frame is taken. The size is judged by the header,
    before anything is decoded.

    Raises ImageUndecodable for what is no whole picture and for a JPEG of more than MAX_SCANS scans, ImageTooLarge over
    `max_pixels`.
    """
    if not data:
        raise ImageUndecodable("the picture has no bytes", field=field)
    try:
        picture: Image.Image = Image.open(BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"the picture is too large: {error}", field=field) from error
    except Exception as error:  # Pillow's readers raise whatever a broken header makes them trip over
        raise ImageUndecodable(f"{len(data)} bytes that are no JPEG, PNG or WebP picture", field=field) from error
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"the picture has {width} x {height} pixels; at most {max_pixels} are accepted", field=field
        )
    if picture.format in ("JPEG", "MPO") and _has_many_scans(data):
        raise ImageUndecodable(f"the picture has more than {MAX_SCANS} scans", field=field)
    try:
        picture.load()
        return to_rgb(ImageOps.exif_transpose(picture))
    except Exception as error:  # as above, for the body
        raise ImageUndecodable(f"the picture cannot be decoded: {error}", field=field) from error


def _has_many_scans(data: bytes) -> bool:
    place, scans = 0, 0
    while (marker := _MARKER.search(data, place)) and marker[1] != _END and scans <= MAX_SCANS:
        scans += marker[1] == _SCAN
        # What follows a marker says how long it is; the first one, of the file, has nothing.
        place = marker.end() + (int.from_bytes(data[marker.end() : marker.end() + 2]) if place else 0)
    return scans > MAX_SCANS


def to_rgb(picture: Image.Image) -> Image.Image:
    """Convert any Pillow mode to 8-bit RGB; transparent pixels are shown on white."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        # Pillow's own conversion clips 16-bit values at 255.
        values = np.asarray(picture, dtype=np.float64)
        values = np.where(values == picture.info.get("transparency", -1), 65535, values)
        return Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("RGB")
