"""Filters, activations and feature vectors through the SDK, by both clients, and on the command line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.client import Client, InvalidArgument
from convscope.client.cli.grids import to_numbers
from convscope.engine.imaging.filter_grid import filter_grid
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from tests.clients.names import LITE, RESNET
from tests.processes import ServerProcess

CONVSCOPE = Path(sys.executable).with_name("convscope")
SECONDS = 60


@pytest.fixture(scope="module")
def here(catalogue: Path) -> Model:
    """ResNet-18, in this process."""
    return Catalogue.read(catalogue).load(RESNET)


def test_filters_are_the_weights_and_are_drawn(either: Any, here: Model) -> None:
    found = either.filters(RESNET, "conv1")
    assert np.array_equal(found.weights, here.module.state_dict()["conv1.weight"].numpy())
    assert (found.outputs, found.inputs, found.groups) == (tuple(range(64)), (0, 1, 2), 1)
    assert (found.output_count, found.input_count) == (64, 3)
    drawn = np.asarray(found.grid())
    assert drawn.std(axis=2).max() > 10, "of three input channels in colours"
    some = either.filters(RESNET, "layer1.0.conv1", outputs=[5, 2], inputs=range(3))
    assert some.weights.shape == (2, 3, 3, 3)
    gray = filter_grid(some.weights, some.outputs, some.inputs, rgb=False)
    assert some.grid() == gray, "three of many channels are no red, green and blue"
    one = either.filters(RESNET, "layer1.0.conv1", outputs=np.int64(5), inputs=0)
    assert np.array_equal(one.weights[0, 0], some.weights[0, 0])


def test_activations_are_the_layers_answers_beside_what_the_model_saw(either: Any, here: Model, cat_path: Path) -> None:
    pixels, _ = here.preprocessing.crop(Image.open(cat_path).convert("RGB"))
    maps: list[torch.Tensor] = []
    handle = here.module.get_submodule("layer2").register_forward_hook(lambda _, __, output: maps.append(output))
    with torch.no_grad():
        here.module(here.preprocessing.normalize(pixels[None]))
    handle.remove()
    found = either.activations(cat_path, model=RESNET, layers="layer2", order="maximum", limit=6, top_k=2)
    (one,) = found
    strongest = maps[0][0].flatten(1).amax(1).argsort(descending=True)[:6]
    assert one.channels == tuple(strongest.tolist())
    assert np.allclose(one.values, maps[0][0][strongest].numpy(), atol=1e-4)
    assert (one.layer, one.channel_count, len(found.predictions)) == ("layer2", 128, 2)
    assert one.seen is not None
    assert abs(one.seen.width - (found.region[2] - found.region[0])) <= 1
    assert one.grid().width > one.grid(colormap="turbo").height > 100


def test_many_pictures_take_several_calls_and_keep_their_order(either: Any, cat: Image.Image) -> None:
    pictures = [cat.crop((4 * place, 0, 200 + 4 * place, 200)) for place in range(40)]
    together = either.embed(pictures, model=LITE)
    assert (together.shape, together.dtype) == ((40, 1280), np.float32)
    for place in (0, 31, 32, 39):
        alone = either.embed(pictures[place], model=LITE)
        assert alone.shape == (1, 1280)
        assert np.allclose(alone[0], together[place], atol=1e-3)
    assert either.embed(pictures[:2], model=RESNET, layer="layer3").shape == (2, 256)


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("filters", (RESNET, 5), {}, "layer"),
    ("filters", (RESNET, "conv1"), {"outputs": "3"}, "outputs[0]"),
    ("filters", (RESNET, "conv1"), {"inputs": [0, 1.5]}, "inputs[1]"),
    ("filters", (RESNET, "conv1"), {"data_type": "int8"}, "data_type"),
    ("filters", (RESNET, "bn1"), {}, "layer"),
    ("activations", (b"x",), {"model": RESNET, "layers": ["fc"], "order": "size"}, "order"),
    ("activations", (b"x",), {"model": RESNET, "layers": [7]}, "layers[0]"),
    ("activations", (b"x",), {"model": RESNET, "layers": 7}, "layers"),
    ("activations", (b"x",), {"model": RESNET, "layers": "fc", "limit": "all"}, "limit"),
    ("embed", ([],), {"model": LITE}, "images"),
    ("embed", (["missing.jpg"],), {"model": LITE}, "images[0]"),
    ("embed", ([b"no picture"],), {"model": LITE}, "images[0].encoded"),
    ("embed", ([b"x"],), {"model": LITE, "layer": 3}, "layer"),
]


@pytest.mark.parametrize(("method", "arguments", "how", "field"), WRONG)
def test_what_is_wrong_is_named(
    either: Any, method: str, arguments: tuple[Any, ...], how: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        getattr(either, method)(*arguments, **how)
    assert caught.value.field == field


@pytest.fixture
def convscope(server: ServerProcess, tmp_path: Path, cat_path: Path) -> Any:
    """Runs `convscope ARGUMENTS` in a folder with cat.png."""
    (tmp_path / "cat.png").write_bytes(cat_path.read_bytes())

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(CONVSCOPE), *arguments, "--server", server.address]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)

    return run


def test_the_commands_write_pictures_and_values(convscope: Any, client: Client, tmp_path: Path) -> None:
    done = convscope("filters", "conv1", "-m", RESNET, "--outputs", "0-3,9")
    assert done.stdout == f"conv1 of {RESNET}: 5 x 3 x 7 x 7 -> {RESNET}.conv1.filters.png\n", done.stderr
    with Image.open(tmp_path / f"{RESNET}.conv1.filters.png") as drawn:
        assert drawn.width > 100
    convscope("filters", "conv1", "-m", RESNET, "--outputs", "0-3,9", "-o", "weights.npy")
    weights = client.filters(RESNET, "conv1", outputs=[0, 1, 2, 3, 9]).weights
    assert np.array_equal(np.load(tmp_path / "weights.npy"), weights)
    done = convscope("activations", "cat.png", "-m", RESNET, "--layer", "layer2", "--layer", "fc", "--limit", "9")
    assert done.stdout.splitlines() == [
        "layer2: 9 x 28 x 28 of 128 -> cat.layer2.activations.png",
        "fc: 9 of 1000 -> cat.fc.activations.png",
    ], done.stderr
    done = convscope("embed", "cat.png", "cat.png", "-m", LITE)
    assert done.stdout == "2 pictures, 1280 numbers each -> embeddings.npy\n", done.stderr
    assert np.load(tmp_path / "embeddings.npy").shape == (2, 1280)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("filters", "bn1", "-m", RESNET), "error: layer"),
        (("filters", "conv1", "-m", RESNET, "--outputs", "64"), "filters 0 to 63, not 64"),
        (("filters", "conv1", "-o", "x.txt"), "x.txt must end in one of"),
        (("activations", "cat.png", "-m", RESNET, "--layer", "layer9"), "unknown layer 'layer9'; nearest:"),
        (("activations", "cat.png", "--layer", "a", "--layer", "b", "-o", "x.png"), "one file takes one layer"),
        (("embed", "cat.png", "-o", "x.png"), "x.png must end in .npy"),
        (("embed", "missing.png"), "missing.png cannot be read"),
    ],
)
def test_an_error_is_one_sentence(convscope: Any, arguments: tuple[str, ...], says: str) -> None:
    done = convscope(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in " ".join(done.stderr.split())
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "numbers"), [(None, []), ("3", [3]), ("0-3,7", [0, 1, 2, 3, 7]), (" 2 , 5-5", [2, 5])]
)
def test_numbers_may_be_ranges(text: str | None, numbers: list[int]) -> None:
    assert to_numbers(text, field="outputs") == numbers


@pytest.mark.parametrize(
    "text", ["", "a", "3-", "-3", "5-3", "1,,2", "0-999999999", "9" * 5000, "1.5", "0-90000,0-90000"]
)
def test_a_slip_of_the_finger_is_named_and_does_not_mean_all(text: str) -> None:
    with pytest.raises(InvalidArgument, match="outputs must be numbers such as") as caught:
        to_numbers(text, field="outputs")
    assert caught.value.field == "outputs"
