"""Any bytes become an upright RGB picture or a refusal that names the field."""

import struct
import time
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.errors import ImageTooLarge, ImageUndecodable
from convscope.engine.imaging.decode import MAX_PIXELS, decode

GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6

# Six patches of sixteen pixels, no two alike and no symmetry; lossy formats keep flat patches within a few levels.
PATCHES = np.array(
    [[[200, 30, 30], [30, 200, 30], [30, 30, 200]], [[220, 220, 40], [40, 220, 220], [90, 90, 90]]], dtype=np.uint8
)
PICTURE = Image.fromarray(PATCHES.repeat(16, axis=0).repeat(16, axis=1))


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG file by hand; `rows` with the filter byte before each."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pixels(data: bytes) -> NDArray[np.int64]:
    picture = decode(data)
    assert picture.mode == "RGB"
    return np.asarray(picture, dtype=np.int64)


def assert_shows(data: bytes, expected: Image.Image, within: int) -> None:
    found = pixels(data)
    wanted = np.asarray(expected.convert("RGB"), dtype=np.int64)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= within


FILES = {
    "JPEG": encoded(PICTURE, "JPEG", quality=95, subsampling=0),
    "PNG": encoded(PICTURE, "PNG"),
    "WebP": encoded(PICTURE, "WEBP", quality=95),
    "lossless WebP": encoded(PICTURE, "WEBP", lossless=True),
    "progressive JPEG": encoded(PICTURE, "JPEG", quality=95, subsampling=0, progressive=True),
}


@pytest.mark.parametrize("form", FILES)
def test_a_picture_is_decoded(form: str) -> None:
    found = pixels(FILES[form])
    assert found.shape == (32, 48, 3)
    middles = found[8::16, 8::16]  # WebP halves the resolution of colours, which blurs the patches' edges
    assert np.abs(middles - PATCHES).max() <= (0 if form in ("PNG", "lossless WebP") else 4)


def test_no_bytes_are_no_picture() -> None:
    with pytest.raises(ImageUndecodable, match="no bytes") as caught:
        decode(b"")
    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_UNDECODABLE")


def test_the_refusal_names_the_callers_field() -> None:
    with pytest.raises(ImageUndecodable) as caught:
        decode(b"no picture", field="images[3]")
    assert caught.value.field == "images[3]"


def test_random_bytes_are_no_picture() -> None:
    data = np.random.default_rng(0).bytes(1024)
    with pytest.raises(ImageUndecodable, match="1024 bytes"):
        decode(data)


@pytest.mark.parametrize("kept", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WebP", "lossless WebP"])
def test_the_beginning_of_a_file_is_no_picture(form: str, kept: float) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    options = {"lossless": True} if form == "lossless WebP" else {}
    data = encoded(noise, form.rsplit(maxsplit=1)[-1].upper(), **options)
    with pytest.raises(ImageUndecodable):
        decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(ImageUndecodable, match="JPEG, PNG or WebP"):
        decode(encoded(PICTURE, form))


def test_a_picture_of_thousands_of_megapixels_is_refused_by_its_header() -> None:
    data = png(50_000, 50_000, 8, RGB, bytes(3_000_000))
    assert len(data) < 10_000
    start = time.perf_counter()
    with pytest.raises(ImageTooLarge) as caught:
        decode(data)
    assert time.perf_counter() - start < 1
    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_TOO_LARGE")


# As in a service: Pillow's own warning is no error there.
@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(7072, 7072), (10_000, 10_000), (50_000_001, 1)])
def test_a_picture_over_the_limit_is_refused_with_its_size(width: int, height: int) -> None:
    assert width * height > MAX_PIXELS
    with pytest.raises(ImageTooLarge, match=f"{width} x {height}"):
        decode(png(width, height, 8, GREY, bytes(1000)))


def test_the_limit_is_the_callers() -> None:
    assert decode(FILES["PNG"], max_pixels=48 * 32).size == (48, 32)
    with pytest.raises(ImageTooLarge, match="48 x 32"):
        decode(FILES["PNG"], max_pixels=48 * 32 - 1)


def test_a_chunk_that_inflates_without_end_is_refused() -> None:
    bomb = chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(20_000_000), 9))
    start = time.perf_counter()
    with pytest.raises(ImageUndecodable):
        decode(png(1, 1, 8, GREY, b"\0\0", bomb))
    assert time.perf_counter() - start < 1


def with_scans(picture: Image.Image, count: int) -> bytes:
    """A progressive JPEG whose last scan, of a few bytes, is there so many times more."""
    data = encoded(picture, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + count * data[last:-2] + data[-2:]


@pytest.mark.parametrize("hidden", [b"", b"\xff\x01", b"\xff\xff", b"\xff\xfe\0\x04\xff\xd9"])
def test_a_jpeg_whose_scans_would_take_hours_is_refused(hidden: bytes) -> None:
    data = with_scans(Image.new("RGB", (4000, 4000)), 2000)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    start = time.perf_counter()
    with pytest.raises(ImageUndecodable, match="more than 100 scans") as caught:
        decode(data[:second] + hidden + data[second:], field="images[3]")
    assert time.perf_counter() - start < 5, "to decode them takes half a minute"
    assert caught.value.field == "images[3]"


def test_a_jpeg_of_as_many_scans_as_encoders_write_is_a_picture() -> None:
    # What looks like scans in a comment is none.
    data = with_scans(PICTURE, 40)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 400) + b"\xff\xda" * 200
    assert pixels(data[:2] + comment + data[2:]).shape == (32, 48, 3)


@pytest.mark.parametrize(("mode", "form"), [("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("L", "JPEG")])
def test_grey_and_palettes_become_colours(mode: str, form: str) -> None:
    converted = PICTURE.convert(mode)
    assert_shows(encoded(converted, form), converted, within=0 if form == "PNG" else 4)


def test_transparent_pixels_are_shown_on_white() -> None:
    rgba = np.zeros((1, 4, 4), dtype=np.uint8)
    rgba[0] = [[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51], [200, 100, 0, 102]]
    expected = [[10, 20, 30], [255, 255, 255], [204, 204, 204], [233, 193, 153]]
    for form, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert np.abs(pixels(encoded(Image.fromarray(rgba), form, **options))[0] - expected).max() <= 1


def test_transparent_grey_is_shown_on_white() -> None:
    found = pixels(encoded(Image.fromarray(np.array([[[0, 255], [0, 0], [100, 102]]], dtype=np.uint8), "LA"), "PNG"))
    assert np.abs(found[0] - [[0] * 3, [255] * 3, [193] * 3]).max() <= 1


def test_a_transparent_palette_entry_is_shown_on_white() -> None:
    picture = Image.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1, 0])
    found = pixels(encoded(picture, "PNG", transparency=0))
    assert found[0].tolist() == [[255, 255, 255], [40, 50, 60], [255, 255, 255]]


def test_a_colour_declared_transparent_is_shown_on_white() -> None:
    row = bytes([0, 10, 20, 30, 40, 50, 60])
    found = pixels(png(2, 1, 8, RGB, row, chunk(b"tRNS", struct.pack(">HHH", 10, 20, 30))))
    assert found[0].tolist() == [[255, 255, 255], [40, 50, 60]]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_grey_declared_transparent_is_shown_on_white(depth: int) -> None:
    black = png(1, 1, depth, GREY, b"\0\0")
    declared = png(1, 1, depth, GREY, b"\0\0", chunk(b"tRNS", struct.pack(">H", 0)))
    assert pixels(black).tolist() == [[[0, 0, 0]]]
    assert pixels(declared).tolist() == [[[255, 255, 255]]]


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = (0, 257, 1000, 32_768, 65_278, 65_535)
    found = pixels(png(6, 1, 16, GREY, b"\0" + struct.pack(">6H", *values)))
    assert found[0].tolist() == [[round(value / 257)] * 3 for value in values]


def test_a_16_bit_grey_declared_transparent_is_shown_on_white() -> None:
    rows = b"\0" + struct.pack(">2H", 1000, 32_768)
    found = pixels(png(2, 1, 16, GREY, rows, chunk(b"tRNS", struct.pack(">H", 1000))))
    assert found[0].tolist() == [[255] * 3, [128] * 3]


def test_16_bit_grey_with_transparency_is_scaled_and_shown_on_white() -> None:
    found = pixels(png(2, 1, 16, GREY_ALPHA, b"\0" + struct.pack(">4H", 32_768, 65_535, 0, 0)))
    assert np.abs(found[0] - [[128] * 3, [255] * 3]).max() <= 1


def test_16_bit_colours_are_scaled() -> None:
    found = pixels(png(2, 1, 16, RGB, b"\0" + struct.pack(">6H", 0, 1000, 65_535, 32_768, 257, 65_278)))
    assert np.abs(found[0] - [[0, 4, 255], [128, 1, 254]]).max() <= 1


def test_16_bit_colours_with_transparency_are_shown_on_white() -> None:
    found = pixels(png(2, 1, 16, RGB_ALPHA, b"\0" + struct.pack(">8H", 257, 514, 65_535, 65_535, 0, 0, 0, 0)))
    assert np.abs(found[0] - [[1, 2, 255], [255, 255, 255]]).max() <= 1


def test_a_cmyk_jpeg_shows_its_colours() -> None:
    assert_shows(encoded(PICTURE.convert("CMYK"), "JPEG", quality=95), PICTURE, within=12)


# Which edge of the upright picture the first stored row and the first stored column are (EXIF 2.3, tag 0x0112).
EDGES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera held that way stores it."""
    row, column = EDGES[orientation]
    values = np.asarray(picture)
    if row in ("left", "right"):
        values = values.transpose(1, 0, 2)
    if row in ("bottom", "right"):
        values = values[::-1]
    if column in ("bottom", "right"):
        values = values[:, ::-1]
    return Image.fromarray(np.ascontiguousarray(values))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", EDGES)
def test_a_picture_stands_upright_however_the_camera_was_held(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    data = encoded(stored(PICTURE, orientation), form, exif=exif.tobytes(), **options.get(form, {}))
    assert_shows(data, PICTURE, within=8)


# As in a service: Pillow's own warning is no error there.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0MM\0*",
        b"Exif\0\0garbage that is no TIFF",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        # One entry of 65535, cut short.
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03",
        # An orientation of 9, and one that is a text.
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04six\0\0\0\0\0",
    ],
    ids=["empty", "no directory", "garbage", "far away", "cut short", "nine", "text"],
)
def test_a_picture_with_broken_exif_is_shown_as_it_is_stored(exif: bytes) -> None:
    data = encoded(PICTURE, "JPEG", quality=95, subsampling=0, exif=exif)
    assert_shows(data, PICTURE, within=8)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_one_pixel_is_a_picture(form: str) -> None:
    assert_shows(encoded(Image.new("RGB", (1, 1), "white"), form), Image.new("RGB", (1, 1), "white"), within=1)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(form: str) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "green", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
    assert_shows(data, frames[0], within=0)


@settings(max_examples=400, deadline=None)
@given(
    form=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_changed_bytes_are_a_picture_or_refused(form: str, changes: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(FILES[form])
    for place, value in changes:
        data[int(place * len(data))] = value
    assert_decoded_or_refused(bytes(data[: int(len(data) * kept)]))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 "]), st.binary(max_size=200)
)
def test_bytes_behind_a_true_beginning_are_a_picture_or_refused(beginning: bytes, rest: bytes) -> None:
    assert_decoded_or_refused(beginning + rest)


def assert_decoded_or_refused(data: bytes) -> None:
    with suppress(ImageUndecodable, ImageTooLarge):
        assert decode(data).mode == "RGB"
