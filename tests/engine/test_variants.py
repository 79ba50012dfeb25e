"""A network runs folded where that changes nothing that is looked at, and in bfloat16 where that is asked for."""

import threading
from collections import OrderedDict
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput
from convscope.engine.models import variants
from convscope.engine.models.folding import Folded, fold_batch_norm
from convscope.engine.models.layers import map_layers, remember_layers, remembered_layers
from convscope.engine.models.variants import Precision, Variants, bfloat16_supported
from tests.engine.rounding import assert_same_but_rounding

CPU = torch.device("cpu")
EXAMPLE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(6))


@pytest.fixture
def network() -> nn.Module:
    """A folded pair, a batch norm that stays, and a classifier."""
    torch.manual_seed(3)
    parts = OrderedDict(
        conv=nn.Conv2d(3, 8, 3, padding=1),
        norm=nn.BatchNorm2d(8),
        activation=nn.ReLU(),
        last_norm=nn.BatchNorm2d(8),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Linear(8, 5),
    )
    network: nn.Module = nn.Sequential(parts)
    for norm in (parts["norm"], parts["last_norm"]):
        norm.get_buffer("running_mean").uniform_(-1, 1)
        norm.get_buffer("running_var").uniform_(0.5, 2)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@pytest.fixture
def images() -> Tensor:
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    return images.contiguous(memory_format=torch.channels_last)


@pytest.fixture
def _everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch computes in bfloat16 also where no instruction does."""
    monkeypatch.setattr(variants, "bfloat16_supported", lambda _: True)


@torch.no_grad()
def run(network: nn.Module, images: Tensor) -> Tensor:
    scores: Tensor = network(images)
    return scores


@pytest.mark.parametrize("layer", [None, "norm", "activation", "classifier"])
def test_the_folded_network_runs_where_the_layer_gives_the_same(
    layer: str | None, network: nn.Module, images: Tensor
) -> None:
    found = Variants(network, EXAMPLE).module("float32", [layer] if layer else [])
    assert isinstance(found.get_submodule("norm"), nn.Identity)
    assert_same_but_rounding(run(found, images), run(network, images))


def test_the_original_runs_where_a_folded_convolution_is_looked_at(network: nn.Module) -> None:
    assert Variants(network, EXAMPLE).module("float32", ["conv"]) is network


def test_folding_that_changes_the_scores_is_not_used(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def fold_wrongly(module: nn.Module) -> Folded:
        wrong = fold_batch_norm(module)
        wrong.module.get_parameter("conv.bias").mul_(1.1)
        return wrong

    monkeypatch.setattr(variants, "fold_batch_norm", fold_wrongly)
    assert Variants(network, EXAMPLE).module("float32") is network


def test_the_original_runs_where_one_of_several_layers_is_a_folded_convolution(network: nn.Module) -> None:
    tried = Variants(network, EXAMPLE)
    assert tried.module("float32", ["activation", "conv"]) is network
    assert tried.module("float32", ["activation", "norm"]) is not network


def test_a_network_with_nothing_to_fold_runs_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()).eval()
    assert Variants(network, EXAMPLE).module("float32") is network


@pytest.mark.usefixtures("_everywhere")
@pytest.mark.parametrize(
    ("layer", "norm"), [(None, nn.Identity), ("activation", nn.Identity), ("conv", nn.BatchNorm2d)]
)
def test_a_bfloat16_copy_takes_and_gives_float32(
    layer: str | None, norm: type[nn.Module], network: nn.Module, images: Tensor
) -> None:
    before = [tensor.clone() for tensor in (*network.parameters(), *network.buffers())]
    found = Variants(network, EXAMPLE).module("bfloat16", [layer] if layer else [])
    assert type(found.get_submodule("norm")) is norm
    scores = run(found, images)
    assert scores.dtype == torch.float32
    expected = run(network, images)
    # 8 bits of mantissa, rounded once a layer.
    assert (scores - expected).abs().max() < 0.03 * expected.abs().max()
    after = [*network.parameters(), *network.buffers()]
    assert all(torch.equal(now, then) and now.dtype == then.dtype for now, then in zip(after, before, strict=True))


@pytest.mark.usefixtures("_everywhere")
def test_everything_is_bfloat16_but_the_batch_norms_that_stay(network: nn.Module) -> None:
    found = Variants(network, EXAMPLE).module("bfloat16")
    kinds = {name: parameter.dtype for name, parameter in found.named_parameters()}
    exact = {name for name, kind in kinds.items() if kind == torch.float32}
    assert exact == {"last_norm.weight", "last_norm.bias"}
    assert {kinds[name] for name in kinds if name not in exact} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in found.parameters())
    assert found.get_parameter("conv.weight").is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("_everywhere")
def test_a_gradient_flows_through_the_bfloat16_copy(network: nn.Module, images: Tensor) -> None:
    found = Variants(network, EXAMPLE).module("bfloat16")
    low = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(found(low)[:, 2].sum(), low)
    assert gradient.dtype == torch.float32
    exact = images.clone().requires_grad_()
    (expected,) = torch.autograd.grad(network(exact)[:, 2].sum(), exact)
    similarity = torch.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0)
    assert similarity > 0.98


@pytest.mark.usefixtures("_everywhere")
def test_the_bfloat16_copy_is_made_once_also_for_several_threads(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[nn.Module] = []
    make = variants._in_bfloat16

    def count(module: nn.Module) -> nn.Module:
        made.append(module)
        return make(module)

    monkeypatch.setattr(variants, "_in_bfloat16", count)
    tried = Variants(network, EXAMPLE)
    assert not made
    together = threading.Barrier(4)
    found: list[nn.Module] = []

    def ask() -> None:
        together.wait()
        found.append(tried.module("bfloat16"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({id(module) for module in found}) == 1


@pytest.mark.usefixtures("_everywhere")
@pytest.mark.parametrize("layer", [None, "conv"])
@pytest.mark.parametrize("precision", get_args(Precision))
def test_every_variant_has_the_layer_map_of_the_original(
    precision: Precision, layer: str | None, network: nn.Module, images: Tensor
) -> None:
    tried = Variants(network, EXAMPLE)
    found = tried.module(precision, [layer] if layer else [])
    # Remembered after the copies were made, as before.
    layers = map_layers(network, images)
    remember_layers(network, images, layers)
    assert remembered_layers(found, images) is layers
    assert {layer.name: layer.type for layer in layers.layers}["norm"] == "BatchNorm2d"


def test_a_device_without_bfloat16_says_so(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not bfloat16_supported(CPU)
    tried = Variants(network, EXAMPLE)
    with pytest.raises(InvalidInput, match="use float32") as caught:
        tried.module("bfloat16")
    assert (caught.value.reason, caught.value.field) == ("PRECISION_UNSUPPORTED", "precision")
    assert tried.module("float32", ["conv"]) is network


@pytest.mark.parametrize("instructions", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_either_kind_of_instructions_is_enough(instructions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == instructions)
    assert bfloat16_supported(CPU)


def test_a_device_of_another_kind_is_not_asked() -> None:
    assert not bfloat16_supported(torch.device("meta"))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_runs_every_variant(network: nn.Module, images: Tensor) -> None:
    device = torch.device("cuda")
    expected = run(network, images)
    tried = Variants(network.to(device), EXAMPLE.to(device))
    for layers in ([], ["conv"]):
        assert_same_but_rounding(run(tried.module("float32", layers), images.to(device)).cpu(), expected)
        low = images.to(device).requires_grad_()
        scores = tried.module("bfloat16", layers)(low)
        assert (scores.cpu() - expected).abs().max() < 0.03 * expected.abs().max()
        (gradient,) = torch.autograd.grad(scores[:, 2].sum(), low)
        assert gradient.isfinite().all()
