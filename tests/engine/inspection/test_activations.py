"""Activations are what layers gave in one pass, at the moment when they had finished."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerActivation
from torch import Tensor, nn

from convscope.engine.errors import MethodUnsupported, UnknownName
from convscope.engine.inspection.activations import Order, activations, activations_and_scores, channel_order
from convscope.engine.models.model import Model
from tests.engine.reference import Inputs, Load
from tests.engine.rounding import assert_same_but_rounding
from tests.engine.synthesis.tiny_network import around, hooked, tiny_network

LAYERS = {
    "alexnet": ["features.0", "features.1", "features.5", "features.12", "classifier.5", "classifier.6"],
    "resnet18": ["conv1", "bn1", "maxpool", "layer1.0.bn1", "layer2", "layer4.1.bn2", "layer4", "fc"],
    "densenet121": ["features.norm0", "features.denseblock1.denselayer2.norm1", "features.norm5", "classifier"],
    "efficientnet_lite0": ["stem", "blocks.3", "head"],
}
"""With in-place ReLUs behind some."""


@pytest.fixture(scope="package")
def tiny(load: Load) -> Model:
    return around(load("resnet18"), tiny_network())


def noise(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def images_of(count: int, seed: int = 3) -> Tensor:
    """For the tiny network."""
    return noise(count, 3, 48, 40, seed=seed)


def hooks_of(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def by_captum(model: Model, layer: str, images: Tensor) -> Tensor:
    found: Tensor = LayerActivation(model.module, model.module.get_submodule(layer)).attribute(images)
    return found.detach()


@pytest.mark.parametrize("network", LAYERS)
def test_activations_are_captums(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    found = activations(model, images, LAYERS[network])
    assert list(found) == LAYERS[network]
    for layer, values in found.items():
        assert torch.equal(values, by_captum(model, layer, images)), layer


def test_the_tokens_of_vit_are_folded_to_their_grid(load: Load, inputs: Inputs) -> None:
    model = load("vit_b_16")
    images = inputs(model)[:2]
    tokens = ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_5.mlp"]
    found = activations(model, images, [*tokens, "conv_proj"])
    for layer in tokens:
        raw = by_captum(model, layer, images)
        assert found[layer].shape == (2, 768, 14, 14)
        for row, column in ((0, 0), (0, 13), (5, 2), (13, 13)):
            assert torch.equal(found[layer][:, :, row, column], raw[:, 1 + 14 * row + column])
    assert torch.equal(found["conv_proj"], by_captum(model, "conv_proj", images))


def test_of_swin_the_channels_are_put_first(load: Load, inputs: Inputs) -> None:
    model = load("swin_t")
    images = inputs(model)[:1]
    found = activations(model, images, ["features.1", "norm", "head"])
    for layer, side in (("features.1", 56), ("norm", 7)):
        raw = by_captum(model, layer, images)
        assert raw.shape[1:3] == (side, side)
        assert torch.equal(found[layer], raw.permute(0, 3, 1, 2))
    assert torch.equal(found["head"], by_captum(model, "head", images))


@pytest.mark.parametrize("network", ["alexnet", "resnet18", "efficientnet_lite0"])
def test_every_layer_at_once_gives_what_each_gave(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:1]
    names = [layer.name for layer in model.layers.layers]
    runs: dict[str, list[Tensor]] = {name: [] for name in names}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _, __, output: runs[name].append(output.clone())

    handles = [model.module.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    with torch.no_grad():
        model.module(images)
    for handle in handles:
        handle.remove()
    found = activations(model, images, names)
    assert {name for name in names if not torch.equal(found[name], runs[name][-1])} == set()


@pytest.mark.parametrize("layers", [["bn1"], ["bn1", "relu", "layer1"]])
def test_a_relu_in_place_leaves_what_came_before_it(layers: list[str], load: Load, inputs: Inputs) -> None:
    model = load("resnet18")
    assert isinstance(model.module.relu, nn.ReLU)
    assert model.module.relu.inplace
    images = inputs(model)
    before = activations(model, images, layers)["bn1"]
    assert before.min() < -1
    with torch.no_grad():
        norm = model.module.get_submodule("bn1")
        assert torch.equal(before, norm(model.module.get_submodule("conv1")(images)))


def test_of_a_layer_that_runs_twice_the_last_run_counts(load: Load, inputs: Inputs) -> None:
    model = load("resnet18")
    images = inputs(model)
    assert model.layers.layer("layer1.0.relu").calls == 2
    found = activations(model, images, ["layer1.0.relu"])["layer1.0.relu"]
    assert torch.equal(found, activations(model, images, ["layer1.0"])["layer1.0"])
    assert not torch.equal(found, activations(model, images, ["layer1.0.bn1"])["layer1.0.bn1"].relu())


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0"])
def test_pictures_together_give_what_each_gives_alone(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)
    together = activations(model, images, LAYERS[network])
    alone = [activations(model, images[place : place + 1], LAYERS[network]) for place in range(len(images))]
    for layer, values in together.items():
        assert_same_but_rounding(values, torch.cat([one[layer] for one in alone]))


def test_the_scores_of_the_same_pass_come_with_them(tiny: Model) -> None:
    images = images_of(2)
    found, scores = activations_and_scores(tiny, images, ["3", "9"])
    assert torch.equal(scores, tiny.module(images))
    assert list(found) == ["3", "9"]
    for layer, values in found.items():
        assert torch.equal(values, activations(tiny, images, [layer])[layer])


def test_the_pass_ends_behind_the_last_layer_whatever_the_order_of_the_names(tiny: Model) -> None:
    ran: list[str] = []
    parts = dict(tiny.module.named_children())
    handles = [
        part.register_forward_hook(lambda _, __, ___, name=name: ran.append(name)) for name, part in parts.items()
    ]
    try:
        activations(tiny, images_of(1), ["6", "2"])
        assert ran == ["0", "1", "2", "3", "4", "5", "6"]
        ran.clear()
        activations_and_scores(tiny, images_of(1), ["2"])
        assert ran == list(parts)
    finally:
        for handle in handles:
            handle.remove()


def test_no_hooks_stay_also_after_an_error(tiny: Model) -> None:
    activations(tiny, images_of(1), ["2", "6"])
    assert hooks_of(tiny.module) == 0
    activations_and_scores(tiny, images_of(1), ["2", "6"])
    assert hooks_of(tiny.module) == 0
    for ask in (activations, activations_and_scores):
        with pytest.raises(RuntimeError, match="channels"):
            ask(tiny, noise(1, 4, 48, 40), ["2", "6"])
        assert hooks_of(tiny.module) == 0


def test_threads_on_one_network_get_their_own_answers(tiny: Model) -> None:
    asked = [["2"], ["6", "0"], ["9", "13"], ["4", "2", "7"]]
    expected = [{layer: hooked(tiny.module, layer, images_of(2, seed)) for layer in asked[seed]} for seed in range(4)]
    scores = [tiny.module(images_of(2, seed)) for seed in range(4)]
    wrong: list[str] = []
    rounds = 25
    begin = threading.Barrier(4)

    def work(seed: int) -> None:
        images = images_of(2, seed)
        begin.wait(timeout=60)
        for round_ in range(rounds):
            if round_ % 3 == 2:
                found, given = activations_and_scores(tiny, images, asked[seed])
                if not torch.equal(given, scores[seed]):
                    wrong.append(f"scores of thread {seed}")
            else:
                found = activations(tiny, images, asked[seed])
            wrong.extend(
                f"{layer} of thread {seed}"
                for layer in asked[seed]
                if not torch.equal(found[layer], expected[seed][layer])
            )
        done.append(seed)

    done: list[int] = []
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2, 3]
    assert wrong == []
    assert hooks_of(tiny.module) == 0


def test_a_hook_heeds_no_pass_of_another_thread(tiny: Model) -> None:
    """While a pass of ours stands at layer 2, another thread runs all of the network on other images."""
    images, others = images_of(1), images_of(1, seed=8)
    expected = {layer: hooked(tiny.module, layer, images) for layer in ("2", "6")}
    scores = tiny.module(others)
    theirs: list[Tensor] = []
    mine = threading.get_ident()

    def meanwhile(*_: object) -> None:
        if threading.get_ident() == mine:
            thread = threading.Thread(target=lambda: theirs.append(tiny.module(others)))
            thread.start()
            thread.join()

    handle = tiny.module.get_submodule("3").register_forward_hook(meanwhile)
    try:
        found = activations(tiny, images, ["2", "6"])
    finally:
        handle.remove()
    assert {layer: torch.equal(found[layer], expected[layer]) for layer in found} == {"2": True, "6": True}
    assert torch.equal(theirs[0], scores)


def test_the_images_stay_what_they_are_and_nothing_has_a_gradient(load: Load) -> None:
    model = around(load("resnet18"), nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.Flatten()))
    images = images_of(2)
    before = images.clone()
    found, scores = activations_and_scores(model, images, ["0", "1"])
    assert torch.equal(images, before)
    assert torch.equal(found["0"], before.relu())
    assert not any(values.requires_grad for values in (*found.values(), scores))


def test_an_activation_is_not_the_memory_of_the_images(load: Load) -> None:
    model = around(load("resnet18"), nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 3), nn.Flatten()))
    images = images_of(1)
    activations(model, images, ["0"])["0"].zero_()
    assert torch.equal(images, images_of(1))


def test_a_variant_of_the_model_can_be_run(load: Load, inputs: Inputs) -> None:
    model = load("resnet18")
    images = inputs(model)[:1]
    variant = model.variant("float32", ["layer2", "relu"])
    assert variant is not model.module
    own, scores = activations_and_scores(model, images, ["layer2", "relu"])
    with torch.no_grad():
        expected = hooked(variant, "layer2", images)
    found = activations(model, images, ["layer2", "relu"], module=variant)
    assert torch.equal(found["layer2"], expected)
    assert not torch.equal(found["layer2"], own["layer2"])
    assert_same_but_rounding(found["layer2"], own["layer2"])
    assert_same_but_rounding(found["relu"], own["relu"])
    assert_same_but_rounding(activations_and_scores(model, images, [], module=variant)[1], scores)
    assert hooks_of(variant) == 0


def test_activations_in_bfloat16_come_in_float32(load: Load) -> None:
    model = around(load("resnet18"), tiny_network().bfloat16())
    images = images_of(2).bfloat16()
    found = activations(model, images, ["2"])["2"]
    assert found.dtype == torch.float32
    assert torch.equal(found, hooked(model.module, "2", images).float())


def test_without_layers_there_is_nothing_to_run(tiny: Model) -> None:
    assert activations(tiny, torch.zeros(1), []) == {}
    found, scores = activations_and_scores(tiny, images_of(1), [])
    assert found == {}
    assert torch.equal(scores, tiny.module(images_of(1)))


def test_an_unknown_layer_is_told_with_its_place_and_the_nearest(load: Load) -> None:
    for ask in (activations, activations_and_scores):
        with pytest.raises(UnknownName, match=r"layer4") as caught:
            ask(load("resnet18"), noise(1, 3, 64, 64), ["layer1", "layr4"])
        assert (caught.value.field, caught.value.reason) == ("layers[1]", "UNKNOWN_LAYER")


def test_a_layer_that_the_network_no_longer_runs_is_told(load: Load) -> None:
    class Moody(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
            self.short = False

        def forward(self, images: Tensor) -> Tensor:
            values = self.first(images)
            scores: Tensor = (values if self.short else self.second(values)).mean((2, 3))
            return scores

    module = Moody()
    model = around(load("resnet18"), module)
    module.short = True
    for ask in (activations, activations_and_scores):
        with pytest.raises(MethodUnsupported, match="second"):
            ask(model, images_of(1), ["first", "second"])
    assert list(activations(model, images_of(1), ["first"])) == ["first"]


VALUES = np.array([[[1, 5], [0, 0]], [[2, 2], [2, 2]], [[0, 0], [5, 0]], [[-1, -1], [-3, 4]]], dtype=np.float32)


@pytest.mark.parametrize(
    ("by", "expected"), [("index", [0, 1, 2, 3]), ("maximum", [0, 2, 3, 1]), ("mean", [1, 0, 2, 3])]
)
def test_channels_are_ordered_the_largest_first_and_equals_by_number(by: Order, expected: list[int]) -> None:
    assert channel_order(VALUES, by) == expected


def test_channels_without_places_are_ordered_by_their_values() -> None:
    values = np.array([0.5, 3, -1, 3], dtype=np.float32)
    assert channel_order(values, "maximum") == channel_order(values, "mean") == [1, 3, 0, 2]
    assert channel_order(values) == [0, 1, 2, 3]


def test_many_equals_stay_in_order() -> None:
    values = np.zeros((200, 2, 2), dtype=np.float32)
    values[150] = 1
    for by in ("maximum", "mean"):
        assert channel_order(values, by) == [150, *range(150), *range(151, 200)]


def test_channels_with_nan_come_last() -> None:
    values = VALUES.copy()
    values[0, 1, 1] = np.nan
    assert channel_order(values, "maximum") == [2, 3, 1, 0]
    assert channel_order(values, "mean") == [1, 2, 3, 0]
