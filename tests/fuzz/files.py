"""Picture files, whole and damaged."""

import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.wire import damaged
from tests.services.pictures import noise, to_file

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Widths and heights that a header may claim.
SIDES = (0, 1, 2, 23, 24, 1000, 1001, 16_383, 16_384, 65_500, 65_535, 65_536, 2**24 - 1, 2**31 - 1, 2**32 - 1)
WRONG_FORMATS = ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "ICNS", "DDS", "SGI", "EPS", "PDF")


@cache
def whole() -> dict[str, bytes]:
    """Of each form that is read a small one, by a name for it."""
    picture = Image.fromarray(noise(24, 20))
    alpha = picture.convert("RGBA")
    alpha.putalpha(Image.fromarray(noise(24, 20, 1)[:, :, 0]))
    deep = Image.fromarray(noise(24, 20)[:, :, 0].astype(np.uint16) << 8)
    palette = picture.quantize(16)
    frames = [Image.fromarray(noise(24, 20, seed)) for seed in range(3)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a cat"
    return {
        "png": to_file(picture),
        "png grey": to_file(picture.convert("L")),
        "png bits": to_file(picture.convert("1")),
        "png alpha": to_file(alpha),
        "png grey alpha": to_file(alpha.convert("LA")),
        "png palette": to_file(palette, transparency=3),
        "png deep": to_file(deep),
        "png deep transparent": to_file(deep, transparency=1000),
        "png exif": to_file(picture, exif=exif.tobytes()),
        "png animated": to_file(frames[0], save_all=True, append_images=frames[1:]),
        "jpeg": to_file(picture, "JPEG", quality=80),
        "jpeg grey": to_file(picture.convert("L"), "JPEG"),
        "jpeg progressive": to_file(picture, "JPEG", progressive=True, exif=exif.tobytes()),
        "jpeg cmyk": to_file(picture.convert("CMYK"), "JPEG"),
        "webp": to_file(picture, "WEBP", exif=exif.tobytes()),
        "webp lossless": to_file(alpha, "WEBP", lossless=True),
        "webp animated": to_file(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "tall": to_file(Image.fromarray(noise(1, 3000))),
        "wide": to_file(Image.fromarray(noise(5000, 1))),
        # Longer than a JPEG can be.
        "wider": to_file(Image.new("1", (70_000, 1))),
    }


@cache
def foreign() -> tuple[bytes, ...]:
    """Pictures that are none of ours."""
    picture = Image.fromarray(noise(24, 20))
    return tuple(to_file(picture, one) for one in WRONG_FORMATS)


def picture_files() -> st.SearchStrategy[bytes]:
    """Some can be read, most cannot."""
    good = st.sampled_from(sorted(whole().values()))
    bad = st.one_of(
        good.flatmap(damaged),
        _with_wrong_chunk(),
        _with_false_size(),
        _with_odd_exif(),
        _spliced(),
        st.sampled_from(foreign()),
        st.binary(max_size=200),
    )
    return good | bad | bad | bad


@st.composite
def _with_wrong_chunk(draw: Callable[..., Any]) -> bytes:
    """A PNG with one chunk changed, doubled, moved or left out; its checksum is right, so that it is read."""
    data = draw(st.sampled_from([file for name, file in whole().items() if name.startswith("png")]))
    found = chunks(data)
    place = draw(st.integers(0, len(found) - 1))
    kind, body = found[place]
    match draw(st.integers(0, 4)):
        case 0:
            found[place] = kind, draw(damaged(body))
        case 1:
            found.insert(draw(st.integers(0, len(found))), found[place])
        case 2:
            found.append(found.pop(place))
        case 3:
            del found[place]
        case _:
            kinds = st.sampled_from([b"tRNS", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"gAMA", b"acTL", b"fcTL", b"fdAT"])
            bodies = st.binary(max_size=40) | st.just(b"x\0\0" + zlib.compress(bytes(100_000)))
            found.insert(place, (draw(kinds), draw(bodies)))
    return join(found)


@st.composite
def _with_false_size(draw: Callable[..., Any]) -> bytes:
    """A header that claims other sides than the file has, giant ones among them."""
    width, height = draw(st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES)))
    files = whole()
    match draw(st.integers(0, 2)):
        case 0:
            (kind, _), *rest = chunks(files["png"])
            depth, colour, interlace = draw(
                st.tuples(
                    st.sampled_from([1, 2, 4, 8, 16, 3]),
                    st.sampled_from([0, 2, 3, 4, 6, 1]),
                    st.sampled_from([0, 1, 2]),
                )
            )
            claimed = struct.pack(">II5B", width & 0xFFFFFFFF, height & 0xFFFFFFFF, depth, colour, 0, 0, interlace)
            return join([(kind, claimed), *rest])
        case 1:
            data: bytes = files[draw(st.sampled_from(["jpeg", "jpeg progressive", "jpeg cmyk"]))]
            start: int = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
            return data[:start] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + data[start + 4 :]
        case _:
            return webp_that_claims(max(1, width), max(1, height), files["webp lossless"][12:])


@st.composite
def _with_odd_exif(draw: Callable[..., Any]) -> bytes:
    """A whole picture with an EXIF block in which nothing need fit."""
    entry = st.tuples(
        st.sampled_from([0x0112, 0x8769, 0x8825, 0x010E, 0xA005]), st.integers(0, 14), st.binary(max_size=8)
    )
    entries = draw(st.lists(entry, max_size=4))
    written = b"MM\0*\0\0\0\x08" + struct.pack(">H", len(entries))
    for tag, kind, value in entries:
        count = draw(st.sampled_from([0, 1, 2, 4, 65_535, 2**31, 2**32 - 1]))
        written += struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0")[:4]
    block: bytes = b"Exif\0\0" + draw(st.just(written) | damaged(written))
    if draw(st.booleans()):
        jpeg = whole()["jpeg"]
        return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    first, *rest = chunks(whole()["png"])
    return join([first, (b"eXIf", block[6:]), *rest])


@st.composite
def _spliced(draw: Callable[..., Any]) -> bytes:
    """The beginning of one and the end of another."""
    one: bytes
    other: bytes
    one, other = draw(st.tuples(*[st.sampled_from(sorted(whole().values()))] * 2))
    return one[: draw(st.integers(0, len(one)))] + other[draw(st.integers(0, len(other))) :]


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Of a PNG, its kinds and bodies."""
    found, place = [], len(SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def join(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def webp_that_claims(width: int, height: int, frame: bytes) -> bytes:
    """A WebP of a few bytes whose canvas has that size. frame: the one chunk of a picture of 24 x 20."""
    sides = _three(width - 1) + _three(height - 1)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sides + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    placed = _three(0) + _three(0) + _three(23) + _three(19) + _three(100) + b"\0" + frame
    body += b"ANMF" + struct.pack("<I", len(placed)) + placed
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _three(number: int) -> bytes:
    return struct.pack("<I", number & 0xFFFFFF)[:3]
