"""Every kind of picture is seen by the model as it is: upright, in 8-bit RGB, transparent places white."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from convscope.client.tensors import from_array, to_array
from convscope.v1.attribution_service_pb2 import (
    AttributeRequest,
    AttributeResponse,
    Overlay,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from tests.services.calls import SECONDS, Stubs
from tests.services.pictures import noise, to_file

ORIENTATION = 0x0112
# Square, so that the model sees all but a margin of a sixteenth.
SIZE = 320
Pixels = NDArray[np.uint8]
# How a reader turns the stored rows and columns upright (EXIF 2.32, tag 0x0112).
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored.transpose(1, 0, 2)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: stored.transpose(1, 0, 2)[::-1],
}


def grey() -> tuple[bytes, Pixels]:
    values = noise(SIZE, SIZE)[..., 0]
    return to_file(values), np.stack([values] * 3, axis=2)


def grey_jpeg() -> tuple[bytes, Pixels]:
    data = to_file(noise(SIZE, SIZE)[..., 0], "JPEG")
    values = np.asarray(PillowImage.open(BytesIO(data)))
    assert values.ndim == 2
    return data, np.stack([values] * 3, axis=2)


def grey_of_16_bits() -> tuple[bytes, Pixels]:
    values = noise(SIZE, SIZE)[..., 0]
    data = to_file(PillowImage.fromarray(values.astype(np.uint16) * 257))
    assert PillowImage.open(BytesIO(data)).mode.startswith("I")
    return data, np.stack([values] * 3, axis=2)


def bits() -> tuple[bytes, Pixels]:
    values = noise(SIZE, SIZE)[..., 0] > 127
    return to_file(PillowImage.fromarray(values)), np.stack([values * np.uint8(255)] * 3, axis=2)


def grey_with_alpha() -> tuple[bytes, Pixels]:
    values = noise(SIZE, SIZE)[..., 0]
    alpha = np.where(noise(SIZE, SIZE, 1)[..., 0] > 127, 255, 0).astype(np.uint8)
    shown = np.where(alpha == 255, values, 255).astype(np.uint8)
    return to_file(PillowImage.fromarray(np.stack([values, alpha], axis=2))), np.stack([shown] * 3, axis=2)


def palette() -> tuple[bytes, Pixels]:
    indices = noise(SIZE, SIZE)[..., 0] // 32
    colors = np.random.default_rng(3).integers(0, 256, (8, 3), dtype=np.uint8)
    picture = PillowImage.frombytes("P", (SIZE, SIZE), indices.tobytes())
    picture.putpalette(colors.tobytes())
    return to_file(picture), colors[indices]


def palette_with_a_transparent_colour() -> tuple[bytes, Pixels]:
    indices = noise(SIZE, SIZE)[..., 0] // 32
    colors = np.random.default_rng(3).integers(0, 256, (8, 3), dtype=np.uint8)
    picture = PillowImage.frombytes("P", (SIZE, SIZE), indices.tobytes())
    picture.putpalette(colors.tobytes())
    colors = colors.copy()
    colors[3] = 255
    return to_file(picture, transparency=3), colors[indices]


def rgba() -> tuple[bytes, Pixels]:
    colors, alpha = noise(SIZE, SIZE), noise(SIZE, SIZE, 1)[..., :1]
    share = alpha / 255
    return to_file(np.concatenate([colors, alpha], axis=2)), (colors * share + 255 * (1 - share)).round().astype(
        np.uint8
    )


def cmyk() -> tuple[bytes, Pixels]:
    inks = np.concatenate([noise(SIZE, SIZE), noise(SIZE, SIZE, 1)[..., :1] // 2], axis=2)
    data = to_file(PillowImage.frombytes("CMYK", (SIZE, SIZE), inks.tobytes()), "JPEG", quality=95)
    decoded = np.asarray(PillowImage.open(BytesIO(data))).astype(float)
    assert decoded.shape[2] == 4
    return data, ((255 - decoded[..., :3]) * (255 - decoded[..., 3:]) / 255).round().astype(np.uint8)


def webp() -> tuple[bytes, Pixels]:
    colors = noise(SIZE, SIZE)
    return to_file(colors, "WEBP", lossless=True), colors


def animation() -> tuple[bytes, Pixels]:
    frames = [PillowImage.fromarray(noise(SIZE, SIZE, seed)) for seed in (0, 1)]
    data = to_file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return data, np.asarray(frames[0])


KINDS = (
    grey, grey_jpeg, grey_of_16_bits, bits, grey_with_alpha, palette, palette_with_a_transparent_colour, rgba, cmyk,
    webp, animation,
)  # fmt: skip


def ask(stubs: Stubs, image: Image, **fields: Any) -> AttributeResponse:
    fields = {"method": Method(grad_cam={})} | fields
    return stubs.attribute(AttributeRequest(model="models/efficientnet_lite0", image=image, **fields), timeout=SECONDS)


def seen(stubs: Stubs, data: bytes) -> Pixels:
    """What the server has before it: its drawing with a heatmap that is all transparent. Only the region that the
    model saw is not darkened."""
    drawn = ask(stubs, Image(encoded=data), overlay=Overlay(opacity=0)).overlay
    return np.asarray(PillowImage.open(BytesIO(drawn)))


def explain(stubs: Stubs, image: Image) -> NDArray[np.float32]:
    return np.asarray(to_array(ask(stubs, image, method=Method(saliency={})).attribution))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_it_is_accepted_and_its_colours_are_right(kind: Any, stubs: Stubs) -> None:
    data, expected = kind()
    middle = slice(SIZE // 16 + 1, -SIZE // 16 - 1)
    found = seen(stubs, data)
    assert found.shape == (SIZE, SIZE, 3)
    assert np.abs(found[middle, middle].astype(int) - expected[middle, middle]).max() <= 1


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_with_an_orientation_gets_the_answer_of_the_upright_one(
    file_format: str, orientation: int, stubs: Stubs
) -> None:
    exif = PillowImage.Exif()
    exif[ORIENTATION] = orientation
    data = to_file(noise(330, 240), file_format, exif=exif)
    stored = np.asarray(PillowImage.open(BytesIO(data)).convert("RGB"))
    upright = np.ascontiguousarray(UPRIGHT[orientation](stored))
    turned = ask(stubs, Image(encoded=data), overlay=Overlay())
    expected = ask(stubs, Image(pixels=from_array(upright)), overlay=Overlay())
    assert np.array_equal(to_array(turned.attribution), to_array(expected.attribution))
    assert turned.region == expected.region
    assert turned.overlay == expected.overlay
    assert turned.predictions == expected.predictions


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 3000), (3000, 1), (2, 2), (7, 5)], ids=str)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_tiny_or_thin_picture_is_explained_and_drawn(file_format: str, width: int, height: int, stubs: Stubs) -> None:
    response = ask(stubs, Image(encoded=to_file(noise(width, height), file_format)), overlay=Overlay(), heatmap=True)
    assert np.isfinite(to_array(response.attribution)).all()
    region = response.region
    assert 0 <= region.left < region.right <= width
    assert 0 <= region.top < region.bottom <= height
    # 224 of the 256 pixels to which the shorter side is scaled, and as much of the longer.
    assert region.right - region.left == pytest.approx(224 / 256 * min(width, height), rel=0.02)
    assert region.bottom - region.top == pytest.approx(224 / 256 * min(width, height), rel=0.02)
    assert PillowImage.open(BytesIO(response.overlay)).size == (width, height)


def test_a_picture_of_one_colour_gets_the_same_answer_at_every_size(stubs: Stubs) -> None:
    answers = [
        explain(stubs, Image(pixels=from_array(np.full((height, width, 3), (200, 30, 90), np.uint8))))
        for width, height in ((1, 1), (1, 3000), (640, 480))
    ]
    assert answers[0].any()
    for answer in answers[1:]:
        assert np.array_equal(answer, answers[0])


def test_a_large_photograph_is_accepted(stubs: Stubs) -> None:
    data = to_file(PillowImage.new("RGB", (7000, 7000), (200, 30, 90)), "JPEG")
    assert ask(stubs, Image(encoded=data)).attribution.shape == [1, 7, 7]
