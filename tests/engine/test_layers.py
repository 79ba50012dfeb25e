"""One pass tells the layers of a network, their shapes, and the one that Grad-CAM should use."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.attribution.forward_pass import ForwardPass
from convscope.engine.attribution.target import ClassTarget, Targets
from convscope.engine.errors import InvalidInput, MethodUnsupported, UnknownName
from convscope.engine.models.layers import Layer, LayerMap, fold_grid, map_layers, remembered_layers
from convscope.engine.models.model import Model

Load = Callable[[str], Model]


class Twice(nn.Module):
    """Runs one activation twice, and a pooling between."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.activation = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.never = nn.Conv2d(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        values = self.pool(self.activation(self.first(images)))
        values = self.activation(self.second(values))
        scores: Tensor = values.mean(dim=(2, 3))
        return scores


def layers_of(module: nn.Module, size: int = 8) -> LayerMap:
    return map_layers(module.eval(), torch.zeros(2, 3, size, size))


def test_layers_come_in_the_order_in_which_a_pass_finishes_them_for_the_last_time() -> None:
    assert layers_of(Twice()) == LayerMap(
        layers=(
            Layer("first", "Conv2d", (4, 8, 8), calls=1, grid=(8, 8)),
            Layer("pool", "MaxPool2d", (4, 4, 4), calls=1, grid=(4, 4)),
            Layer("second", "Conv2d", (6, 4, 4), calls=1, grid=(4, 4)),
            Layer("activation", "ReLU", (6, 4, 4), calls=2, grid=(4, 4)),
        ),
        suggested="activation",
        output_shape=(6,),
    )


def test_a_container_comes_after_its_parts() -> None:
    block = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4)))
    network = nn.Sequential(OrderedDict(block=block, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()))
    names = [layer.name for layer in layers_of(network).layers]
    assert names == ["block.conv", "block.norm", "block", "pool", "flatten"]


def test_the_shapes_of_a_resnet_are_those_of_its_paper(load: Load) -> None:
    shapes = {layer.name: layer.output_shape for layer in load("resnet18").layers.layers}
    table_1 = {
        "conv1": (64, 112, 112),
        "maxpool": (64, 56, 56),
        "layer1": (64, 56, 56),
        "layer2": (128, 28, 28),
        "layer3": (256, 14, 14),
        "layer4": (512, 7, 7),
        "avgpool": (512, 1, 1),
        "fc": (1000,),
    }
    assert {name: shapes[name] for name in table_1} == table_1
    assert [name for name in shapes if name in table_1] == list(table_1)


@pytest.mark.parametrize(
    ("network", "suggested", "shape"),
    [
        ("alexnet", "features.11", (256, 13, 13)),
        ("vgg16", "features.29", (512, 14, 14)),
        ("resnet18", "layer4", (512, 7, 7)),
        ("resnet50", "layer4", (2048, 7, 7)),
        ("resnet101", "layer4", (2048, 7, 7)),
        ("densenet121", "features", (1024, 7, 7)),
        ("googlenet", "inception5b", (1024, 7, 7)),
        ("inception_v3", "Mixed_7c", (2048, 8, 8)),
        ("efficientnet_lite0", "head", (1280, 7, 7)),
        ("swin_t", "permute", (768, 7, 7)),
    ],
)
def test_the_suggested_layer_is_the_last_with_places_that_is_no_mere_pooling(
    network: str, suggested: str, shape: tuple[int, ...], load: Load
) -> None:
    layers = load(network).layers
    assert layers.suggested == suggested
    assert next(layer.output_shape for layer in layers.layers if layer.name == suggested) == shape
    assert layers.output_shape == (1000,)


@pytest.mark.parametrize(
    ("network", "layer", "calls"),
    [("resnet18", "layer1.0.relu", 2), ("resnet50", "layer1.0.relu", 3), ("resnet18", "layer1.0.conv1", 1)],
)
def test_the_runs_of_a_layer_are_counted(network: str, layer: str, calls: int, load: Load) -> None:
    assert next(found.calls for found in load(network).layers.layers if found.name == layer) == calls


@pytest.mark.parametrize(
    "network", ["resnet18", "densenet121", "googlenet", "efficientnet_lite0", "vit_b_16", "swin_t"]
)
def test_every_layer_is_found_again_under_its_name(network: str, load: Load) -> None:
    model = load(network)
    modules = dict(model.module.named_modules())
    for layer in model.layers.layers:
        assert type(modules[layer.name]).__name__ == layer.type
    names = [layer.name for layer in model.layers.layers]
    assert len(set(names)) == len(names)


def test_a_pooling_inside_a_container_makes_the_container_a_pooling() -> None:
    block = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
    assert layers_of(nn.Sequential(block, nn.Flatten(), nn.Linear(64, 5))).suggested == "0.0"


def test_a_dropout_behind_the_last_convolution_is_not_suggested() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout2d(), nn.Identity(), nn.Flatten(), nn.Linear(144, 5))
    assert layers_of(network).suggested == "0"


def test_a_network_without_places_suggests_none_and_says_so() -> None:
    layers = layers_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)))
    assert layers.suggested is None
    with pytest.raises(MethodUnsupported):
        layers.spatial(None)


def test_a_layer_is_found_by_name_if_it_has_places() -> None:
    layers = layers_of(Twice())
    assert layers.spatial("first") == "first"
    assert layers.spatial(None) == "activation"
    with pytest.raises(UnknownName, match="activation"):
        layers.spatial("activations")
    with pytest.raises(UnknownName):
        layers.spatial("never")
    with pytest.raises(InvalidInput) as caught:
        layers_of(Twice(), size=2).spatial("second")
    assert caught.value.reason == "LAYER_NOT_SPATIAL"


def test_a_network_that_gives_no_tensor_is_refused() -> None:
    class Pair(Twice):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images), images  # type: ignore[return-value]

    with pytest.raises(MethodUnsupported, match="tuple"):
        layers_of(Pair())


def test_mapping_leaves_no_hooks_also_after_an_error() -> None:
    network = Twice()
    layers_of(network)
    with pytest.raises(RuntimeError):
        map_layers(network, torch.zeros(1, 4, 8, 8))
    assert not any(part._forward_hooks for part in network.modules())


def test_of_vit_the_layer_that_the_last_attention_reads_is_suggested(load: Load) -> None:
    """Behind the last attention only the class token counts, so that no patch has a gradient."""
    layers = load("vit_b_16").layers
    assert layers.suggested == "encoder.layers.encoder_layer_11.ln_1"
    suggested = layers.layer(layers.suggested)
    assert suggested.output_shape == (197, 768)
    assert (suggested.grid, suggested.layout, suggested.channels) == ((14, 14), "tokens", 768)


def test_tokens_stand_in_the_grid_of_the_layer_that_made_them(load: Load) -> None:
    layers = load("vit_b_16").layers
    assert (layers.layer("conv_proj").grid, layers.layer("conv_proj").layout) == ((14, 14), "channels_first")
    tokens = [layer for layer in layers.layers if layer.output_shape[0] == 197]
    assert len(tokens) > 100
    assert {(layer.grid, layer.layout) for layer in tokens} == {((14, 14), "tokens")}
    assert layers.layer("heads.head") == Layer("heads.head", "Linear", (1000,), calls=1)


def test_of_swin_channels_stand_last_until_they_are_put_first(load: Load) -> None:
    layers = load("swin_t").layers
    for name, side, channels in (("features.1", 56, 96), ("features.3.1", 28, 192), ("norm", 7, 768)):
        layer = layers.layer(name)
        assert layer.output_shape == (side, side, channels)
        assert (layer.grid, layer.layout, layer.channels) == ((side, side), "channels_last", channels)
    first = layers.layer("permute")
    assert (first.grid, first.layout, first.channels) == ((7, 7), "channels_first", 768)


class Permuted(nn.Module):
    """A convolution, its channels put last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 1)
        self.last = nn.Identity()
        self.tokens = nn.Identity()
        self.scores = nn.Linear(channels, 5)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        values = self.last(self.conv(images).permute(0, 2, 3, 1))
        values = self.tokens(torch.cat([values.mean(dim=(1, 2)).unsqueeze(1), values.flatten(1, 2)], dim=1))
        scores: Tensor = self.scores(values[:, 0])
        return scores


@pytest.mark.parametrize("size", [(8, 8), (6, 12), (15, 4)])
@pytest.mark.parametrize("channels", [20, 64])
def test_the_grid_of_a_layer_has_the_proportions_of_the_image(channels: int, size: tuple[int, int]) -> None:
    layers = map_layers(Permuted(channels), torch.zeros(1, 3, *size))
    assert [(layer.name, layer.grid, layer.layout) for layer in layers.layers] == [
        ("conv", size, "channels_first"),
        ("last", size, "channels_last"),
        ("tokens", size, "tokens"),
        ("scores", None, "channels_first"),
    ]
    assert [layer.channels for layer in layers.layers] == [channels, channels, channels, 5]
    assert [layer.spatial for layer in layers.layers] == [True, True, True, False]


def test_folded_every_layout_has_the_channel_of_a_place_where_the_convolution_has_it() -> None:
    torch.manual_seed(2)
    network, images = Permuted(5), torch.randn(2, 3, 6, 12)
    layers = map_layers(network, images)
    run = ForwardPass(network, images, layers, observe=["conv", "last", "tokens"])
    with torch.no_grad():
        expected = network.conv(images)
    for name in ("conv", "last", "tokens"):
        torch.testing.assert_close(run.activation(name), expected)
    scores = torch.randn(2, 5)
    assert fold_grid(scores, layers.layer("scores")) is scores


@pytest.mark.parametrize(("others", "grid"), [(0, (4, 4)), (1, (4, 4)), (8, (4, 4)), (9, None), (-1, None)])
def test_a_few_tokens_may_stand_before_those_of_the_grid(others: int, grid: tuple[int, int] | None) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 2, stride=2)
            self.tokens = nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            patches = self.conv(images).flatten(2).transpose(1, 2)
            tokens = torch.cat([patches[:, :1].expand(-1, max(others, 0), -1), patches[:, max(-others, 0) :]], dim=1)
            scores: Tensor = self.tokens(tokens)[:, 0]
            return scores

    layer = layers_of(Tokens()).layer("tokens")
    assert (layer.grid, layer.layout) == (grid, "tokens" if grid else "channels_first")
    assert layer.channels == 6


def test_a_layer_of_one_number_an_image_is_none() -> None:
    network = nn.Sequential(nn.Conv2d(3, 1, 8), nn.Flatten(0), nn.Unflatten(0, (-1, 1)), nn.Linear(1, 5))
    assert [layer.name for layer in layers_of(network).layers] == ["0", "2", "3"]


def test_finding_the_layers_leaves_the_images_as_they_are() -> None:
    images = torch.randn(2, 3, 8, 8)
    before = images.clone()
    remembered_layers(nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(192, 5)).eval(), images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("frozen", [False, True])
def test_no_graph_is_built_before_the_layer_and_one_from_there_on(frozen: bool) -> None:
    network = Twice().eval().requires_grad_(not frozen)
    images = torch.zeros(1, 3, 8, 8)
    layers = map_layers(network, images)
    graphs: dict[str, bool] = {}
    for name in ("first", "second"):
        part = network.get_submodule(name)
        part.register_forward_hook(lambda _, __, output, name=name: graphs.update({name: output.requires_grad}))
    run = ForwardPass(network, images, layers, differentiate=["pool"])
    assert graphs == {"first": False, "second": True}
    assert run.activation("pool").shape == (1, 4, 4, 4)
    assert not run.activation("pool").requires_grad
    assert not run.scores.requires_grad
    targets = Targets((ClassTarget((5,)),))
    assert run.gradient(targets, "pool").shape == (1, 4, 4, 4)
    assert torch.is_grad_enabled()
    assert not network.pool._forward_hooks


def test_what_is_only_observed_builds_no_graph() -> None:
    network = Twice().eval()
    images = torch.zeros(1, 3, 8, 8)
    graphs: list[bool] = []
    network.second.register_forward_hook(lambda _, __, output: graphs.append(output.requires_grad))
    layers = map_layers(network, images)
    run = ForwardPass(network, images, layers, observe=["first"])
    assert graphs == [False, False]
    assert run.activation("first").shape == (1, 4, 8, 8)


def test_a_pass_that_raises_leaves_no_hooks_and_the_mode_as_it_was() -> None:
    network = Twice().eval()
    layers = map_layers(network, torch.zeros(1, 3, 8, 8))
    with pytest.raises(RuntimeError):
        ForwardPass(network, torch.zeros(1, 4, 8, 8), layers, differentiate=["pool"], observe=["first"])
    assert torch.is_grad_enabled()
    assert not any(part._forward_hooks for part in network.modules())
