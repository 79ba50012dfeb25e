"""One picture in whatever form a caller holds it: one answer."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageChops

from convscope.client import Attribution, Client, Preprocessed
from convscope.client.images import RAW_BYTES
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.preprocessing import Preprocessing
from tests.clients.answers import assert_same_answer, class_of
from tests.clients.conftest import Ask
from tests.clients.names import CATS, LITE

ORIENTATION = 0x0112
FORMS: dict[str, Callable[[Path, Image.Image], Any]] = {
    "str": lambda path, picture: str(path),
    "Path": lambda path, picture: path,
    "bytes": lambda path, picture: path.read_bytes(),
    "bytearray": lambda path, picture: bytearray(path.read_bytes()),
    "Pillow image": lambda path, picture: picture,
    "array": lambda path, picture: np.asarray(picture),
    "array in another memory order": lambda path, picture: np.asfortranarray(np.asarray(picture)),
}
# Pillow's mode, the file format that keeps it, how it is made of an RGB picture.
MODES: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {
    "1": ("PNG", lambda picture: picture.convert("1")),
    "L": ("PNG", lambda picture: picture.convert("L")),
    "LA": ("PNG", lambda picture: fading(picture).convert("LA")),
    "P": ("PNG", lambda picture: picture.convert("P", palette=Image.Palette.ADAPTIVE)),
    "RGBA": ("PNG", lambda picture: fading(picture)),  # noqa: PLW0108 - stands below
    "I;16": ("PNG", lambda picture: Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)),
    "CMYK": ("JPEG", lambda picture: picture.convert("CMYK")),
}


@pytest.fixture(scope="module")
def preprocessing() -> Preprocessing:
    return Catalogue.read().load(LITE).preprocessing


@pytest.fixture
def model_input(preprocessing: Preprocessing, cat: Image.Image) -> NDArray[np.float32]:
    """What the network itself takes of the cat."""
    crop, _ = preprocessing.crop(cat)
    return preprocessing.normalize(crop.unsqueeze(0))[0].contiguous().numpy()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_one_picture_gets_one_answer(
    ask: Ask, explained: Attribution, cat_path: Path, cat: Image.Image, form: str
) -> None:
    assert_same_answer(ask(FORMS[form](cat_path, cat)), explained)


@pytest.mark.parametrize("mode", MODES)
def test_a_pillow_image_of_any_mode_is_seen_like_its_file(ask: Ask, cat: Image.Image, mode: str) -> None:
    file_format, convert = MODES[mode]
    file = BytesIO()
    convert(cat).save(file, file_format)
    with Image.open(file) as picture:
        assert picture.mode == mode
        assert_same_answer(ask(picture), ask(file.getvalue()))


def test_transparent_pixels_are_seen_as_white(ask: Ask, cat: Image.Image) -> None:
    rgba = fading(cat)
    shown = Image.new("RGB", cat.size, "white")
    shown.paste(rgba, mask=rgba.getchannel("A"))
    assert_same_answer(ask(rgba), ask(shown))


@pytest.mark.parametrize("sent_as", ["file", "Pillow image"])
def test_an_exif_rotated_picture_is_turned_upright(
    ask: Ask, explained: Attribution, cat: Image.Image, sent_as: str
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # lies on its left side
    file = BytesIO()
    cat.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    with Image.open(file) as picture:
        assert picture.size == (cat.height, cat.width)
        answer = ask(file.getvalue() if sent_as == "file" else picture)
    assert_same_answer(answer, explained)
    assert answer.overlay().size == cat.size


def test_asking_leaves_a_pillow_image_as_it_was(ask: Ask, cat: Image.Image) -> None:
    rgba = fading(cat)
    before = rgba.copy()
    ask(rgba)
    assert rgba.mode == "RGBA"
    assert ImageChops.difference(rgba, before).getbbox() is None


def test_a_home_folder_is_expanded(
    ask: Ask, explained: Attribution, cat_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(cat_path.parent))
    assert_same_answer(ask(f"~/{cat_path.name}"), explained)


def test_an_array_larger_than_16_mib_is_explained(ask: Ask, cat: Image.Image) -> None:
    large = np.asarray(cat.resize((2800, 2100)))
    assert large.nbytes > RAW_BYTES
    answer = ask(large)
    assert class_of(answer).index in CATS
    assert answer.picture is not None
    np.testing.assert_array_equal(np.asarray(answer.picture), large)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_the_model_takes_can_be_sent_as_it_is(
    ask: Ask, explained: Attribution, model_input: NDArray[np.float32], dtype: str
) -> None:
    answer = ask(Preprocessed(model_input.astype(dtype)))
    assert answer.region == (0, 0, 224, 224)
    assert answer.picture is None
    assert class_of(answer).index == class_of(explained).index
    np.testing.assert_allclose(answer.values, explained.values, rtol=0, atol=1e-4)


def test_a_tensor_can_be_sent_preprocessed(
    client: Client, explained: Attribution, model_input: NDArray[np.float32]
) -> None:
    found = client.classify(Preprocessed(torch.from_numpy(model_input)), model=LITE)
    assert [one.index for one in found] == [one.index for one in explained.predictions]


def fading(picture: Image.Image) -> Image.Image:
    """More and more transparent to the right."""
    rgba = picture.convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").rotate(90).resize(picture.size))
    return rgba
