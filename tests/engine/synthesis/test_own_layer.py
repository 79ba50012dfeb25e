"""Layers that papers name, in networks that do not have them."""

import pytest
from torch import nn

from convscope.engine.errors import MethodUnsupported, UnknownName
from convscope.engine.synthesis.own_layer import outer_layers, own_layer
from convscope.engine.synthesis.paper_layers import PAPER_LAYERS
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import around

# What the lecture shows of VGG-16, and where torchvision has it.
VGG16 = {
    "relu1_1": "features.1",
    "relu1_2": "features.3",
    "relu2_1": "features.6",
    "relu2_2": "features.8",
    "relu3_1": "features.11",
    "relu3_2": "features.13",
    "relu3_3": "features.15",
    "relu4_1": "features.18",
    "relu4_2": "features.20",
    "relu4_3": "features.22",
    "relu5_1": "features.25",
    "relu5_2": "features.27",
    "relu5_3": "features.29",
}


@pytest.mark.parametrize("name", VGG16)
def test_vgg16_has_the_very_relu(load: Load, name: str) -> None:
    model = load("vgg16")
    assert own_layer(model, name) == VGG16[name]
    assert own_layer(model, name.replace("relu", "conv")) == VGG16[name], "a convolution with what follows it"


@pytest.mark.parametrize(
    ("network", "name", "expected"),
    [
        ("resnet18", "relu3_3", "layer2.1"),
        ("resnet18", "relu5_3", "layer4.1"),
        ("resnet18", "relu1_1", "layer1.0"),
        ("efficientnet_lite0", "inception_4c/output", "blocks.8"),
        ("efficientnet_lite0", "mixed5b", "blocks.15"),
        ("googlenet", "inception_4c/output", "inception4c"),
        ("googlenet", "mixed3a", "inception3a"),
        ("alexnet", "conv5", "features.11"),
        ("alexnet", "conv1", "features.1"),
    ],
)
def test_a_papers_name_is_the_layer_as_deep(load: Load, network: str, name: str, expected: str) -> None:
    assert own_layer(load(network), name) == expected


@pytest.mark.parametrize("network", ["resnet18", "vgg16", "efficientnet_lite0", "squeezenet1_1", "densenet121"])
def test_deeper_names_are_deeper_layers_with_a_grid(load: Load, network: str) -> None:
    model = load(network)
    order = [layer.name for layer in model.layers.layers]
    strange = [name for name in PAPER_LAYERS if name not in order]  # ResNet has a conv1 of its own
    found = [own_layer(model, name) for name in sorted(strange, key=PAPER_LAYERS.__getitem__)]
    places = [order.index(name) for name in found]
    assert places == sorted(places)
    assert all(model.layers.layer(name).spatial for name in found)


def test_depths_are_parts_of_a_network() -> None:
    assert all(0 < depth <= 1 for depth in PAPER_LAYERS.values())
    assert PAPER_LAYERS["relu3_3"] == 7 / 13
    assert PAPER_LAYERS["inception_4c/output"] == PAPER_LAYERS["inception4c"] == PAPER_LAYERS["mixed4c"] == 5 / 9
    assert PAPER_LAYERS["pool5"] == PAPER_LAYERS["conv5"] == PAPER_LAYERS["mixed5b"] == 1


@pytest.mark.parametrize("network", ["resnet18", "vgg16", "alexnet", "efficientnet_lite0", "squeezenet1_1"])
def test_outer_layers_lie_beside_each_other(load: Load, network: str) -> None:
    """None lies in another one, none is a pooling, and there are enough to tell depth by."""
    model = load(network)
    names = [layer.name for layer in outer_layers(model)]
    assert not [(one, other) for one in names for other in names if one.startswith(f"{other}.")]
    assert len(names) >= 6
    order = [layer.name for layer in model.layers.layers]
    assert names == sorted(names, key=order.index)


def test_a_name_of_its_own_comes_first(load: Load) -> None:
    model = load("googlenet")
    assert own_layer(model, "conv1") == "conv1", "GoogLeNet has a conv1 that is no CaffeNet's"
    assert own_layer(model, "inception4a.branch1") == "inception4a.branch1"


def test_a_name_that_nobody_has(load: Load) -> None:
    with pytest.raises(UnknownName, match="layer3") as caught:
        own_layer(load("resnet18"), "layer9")
    assert caught.value.field == "layer"


def test_a_network_without_a_grid(load: Load) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 48 * 40, 10))
    with pytest.raises(MethodUnsupported, match="spatial"):
        own_layer(around(load("resnet18"), module), "relu3_3")
