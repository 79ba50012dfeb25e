"""The published generators' files, of the same layout with random numbers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from convscope.engine.errors import ModelUnloadable
from convscope.engine.generation.generator import Generator
from convscope.engine.generation.published import LAYERS, load_published, published_shape


def published(
    length: int = 40, *, port: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Generator, dict[str, Tensor]]:
    """A generator with random weights, and the file that it would have been read from. port: which of the names."""
    torch.manual_seed(1)
    generator = Generator(published_shape(length)).eval().requires_grad_(False)
    names = {ours: names[min(port, len(names) - 1)] for ours, names in LAYERS.items()}
    state = {}
    for name, tensor in generator.state_dict().items():
        _, ours, part = name.split(".")
        state[f"{names[ours]}.{part}"] = tensor.to(dtype)
    return generator, state


def test_the_layout_has_the_published_shapes() -> None:
    """As the caffe network of fc6 has them: inputs before outputs where a convolution is transposed."""
    with torch.device("meta"):
        generator = Generator(published_shape())
    shapes = {name.split(".")[1]: tuple(one.shape) for name, one in generator.named_parameters() if "weight" in name}
    found = {LAYERS[name][0]: shape for name, shape in shapes.items()}
    assert found == {
        "defc7": (4096, 4096), "defc6": (4096, 4096), "defc5": (4096, 4096),
        "deconv5": (256, 256, 4, 4), "conv5_1": (256, 512, 3, 3),
        "deconv4": (512, 256, 4, 4), "conv4_1": (256, 256, 3, 3),
        "deconv3": (256, 128, 4, 4), "conv3_1": (128, 128, 3, 3),
        "deconv2": (128, 64, 4, 4), "deconv1": (64, 32, 4, 4), "deconv0": (32, 3, 4, 4),
    }  # fmt: skip


@pytest.mark.parametrize(("port", "suffix", "prefix"), [(0, ".pt", ""), (1, ".safetensors", ""), (0, ".pt", "module.")])
def test_a_file_is_read_whatever_port_wrote_it(tmp_path: Path, port: int, suffix: str, prefix: str) -> None:
    generator, state = published(port=port)
    path = tmp_path / f"fc6{suffix}"
    named = {prefix + name: tensor for name, tensor in state.items()}
    if suffix == ".pt":
        torch.save({"state_dict": named}, path)
    else:
        save_file(named, path)
    found = load_published(path)
    code = torch.randn(2, 40, 1, 1, generator=torch.Generator().manual_seed(2))
    assert torch.equal(found(code), generator(code))
    cut = load_published(path, 227, 227)
    assert torch.equal(cut(code), generator(code)[:, :, 14:241, 14:241])
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_half_precision_is_made_whole(tmp_path: Path) -> None:
    _, state = published(dtype=torch.float16)
    save_file(state, tmp_path / "fc6.safetensors")
    assert {parameter.dtype for parameter in load_published(tmp_path / "fc6.safetensors").parameters()} == {
        torch.float32
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda state: {name: one for name, one in state.items() if not name.startswith("conv4_1")}, "layers.conv1"),
        (lambda state: {name: one for name, one in state.items() if not name.startswith("defc7")}, "layers.dense0"),
        (lambda state: {**state, "conv9_1.weight": torch.zeros(1)}, "no layer 'conv9_1'"),
        (lambda state: {**state, "weight": torch.zeros(1)}, "no layer ''"),
        (lambda state: {**state, "deconv0.weight": torch.zeros(32, 4, 4, 4)}, "layers.up5.weight"),
        (lambda state: {**state, "defc7.weight": torch.zeros(())}, "published generator"),
    ],
)
def test_what_is_no_such_file_says_what_is_wrong(tmp_path: Path, wrong: object, words: str) -> None:
    assert callable(wrong)
    save_file(wrong(published()[1]), tmp_path / "fc6.safetensors")
    with pytest.raises(ModelUnloadable, match=words):
        load_published(tmp_path / "fc6.safetensors")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    torch.save({"state_dict": Path}, tmp_path / "fc6.pt")
    with pytest.raises(ModelUnloadable, match="refused"):
        load_published(tmp_path / "fc6.pt")
