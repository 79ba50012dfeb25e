"""Filters are the weights of a network's convolutions, its own ones."""

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.inspection.filters import filter_shape, filters
from convscope.engine.models.model import Model
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import around


@pytest.fixture(scope="package")
def small(load: Load) -> Model:
    """A model with convolutions of every kind, of which it runs two."""
    torch.manual_seed(5)
    parts = OrderedDict[str, nn.Module](
        plain=nn.Conv2d(3, 12, 3, stride=2),
        norm=nn.BatchNorm2d(12),
        grouped=nn.Conv2d(12, 8, (3, 5), groups=4, dilation=2),
    )
    unused = OrderedDict[str, nn.Module](
        transposed=nn.ConvTranspose2d(6, 9, (4, 2), stride=2, groups=3),
        normed=weight_norm(nn.Conv2d(4, 6, 3)),
        line=nn.Conv1d(4, 4, 3),
        volume=nn.Conv3d(4, 4, 3),
    )

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(parts)
            self.unused = nn.ModuleDict(unused)

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.body(images).mean((2, 3))
            return scores

    return around(load("resnet18"), Network().eval().requires_grad_(False))


@pytest.mark.parametrize(
    ("network", "count"), [("alexnet", 5), ("resnet18", 20), ("densenet121", 120), ("efficientnet_lite0", 49)]
)
def test_the_filters_of_every_convolution_are_those_of_the_state_dict(network: str, count: int, load: Load) -> None:
    model = load(network)
    state = {name: weight for name, weight in model.module.state_dict().items() if weight.ndim == 4}
    assert len(state) == count
    for name, weight in state.items():
        found = filters(model, name.removesuffix(".weight"))
        assert found.dtype == torch.float32
        assert found.is_contiguous()
        assert torch.equal(found, weight)


@pytest.mark.parametrize(
    ("network", "layer", "shape"),
    [
        ("alexnet", "features.0", (64, 3, 11, 11)),
        ("resnet18", "conv1", (64, 3, 7, 7)),
        ("resnet101", "conv1", (64, 3, 7, 7)),
        ("densenet121", "features.conv0", (64, 3, 7, 7)),
    ],
)
def test_first_layers_have_the_shapes_of_the_lecture(
    network: str, layer: str, shape: tuple[int, ...], load: Load
) -> None:
    assert filters(load(network), layer).shape == shape


def test_a_depthwise_filter_sees_one_channel(load: Load) -> None:
    model = load("efficientnet_lite0")
    name, part = next(
        (name, part)
        for name, part in model.module.named_modules()
        if isinstance(part, nn.Conv2d) and part.groups == part.in_channels > 1
    )
    assert filters(model, name).shape == (part.out_channels, 1, *part.kernel_size)
    assert filter_shape(model, name).groups == part.in_channels


@pytest.mark.parametrize(("layer", "groups"), [("body.plain", 1), ("body.grouped", 4), ("unused.transposed", 3)])
def test_the_groups_of_a_convolution_are_told(layer: str, groups: int, small: Model) -> None:
    assert filter_shape(small, layer).groups == groups


def test_chosen_filters_and_inputs_come_in_the_order_asked_for(small: Model) -> None:
    weight = small.module.state_dict()["body.plain.weight"]
    found = filters(small, "body.plain", outputs=[5, 0, 11, 5], inputs=[2, 0])
    assert found.shape == (4, 2, 3, 3)
    for row, output in enumerate([5, 0, 11, 5]):
        for column, channel in enumerate([2, 0]):
            assert torch.equal(found[row, column], weight[output, channel])
    assert torch.equal(filters(small, "body.plain", inputs=[1]), weight[:, 1:2])


def test_inputs_are_counted_within_a_group(small: Model) -> None:
    """Filter 4 belongs to the third of four groups, whose inputs are the channels 6 to 8 of 12."""
    convolution = small.module.get_submodule("body.grouped")
    values = torch.zeros(1, 12, 5, 9)
    values[0, 7, 2, 4] = 1
    (place,) = convolution(values)[0, 4].flatten() - convolution(torch.zeros_like(values))[0, 4].flatten()
    middle = filters(small, "body.grouped", outputs=[4], inputs=[1])[0, 0, 1, 2]
    assert middle.item() == pytest.approx(place.item(), rel=1e-5)


def test_a_transposed_filter_is_what_one_input_adds_to_its_output(small: Model) -> None:
    convolution = small.module.get_submodule("unused.transposed")
    found = filters(small, "unused.transposed")
    assert found.shape == (9, 2, 4, 2)
    silence = convolution(torch.zeros(1, 6, 1, 1))
    for channel in range(6):
        values = torch.zeros(1, 6, 1, 1)
        values[0, channel] = 1
        added = (convolution(values) - silence)[0]
        group, within = divmod(channel, 2)
        mine = [3 * group, 3 * group + 1, 3 * group + 2]
        torch.testing.assert_close(added[mine], found[mine, within], rtol=1e-5, atol=1e-6)
        assert not added[[output for output in range(9) if output not in mine]].any()


def test_of_a_computed_weight_the_result_counts(small: Model) -> None:
    convolution = small.module.get_submodule("unused.normed")
    assert "unused.normed.weight" not in small.module.state_dict()
    values = torch.randn(1, 4, 7, 7)
    assert isinstance(convolution.bias, Tensor)
    expected = F.conv2d(values, filters(small, "unused.normed"), convolution.bias)
    torch.testing.assert_close(convolution(values), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_of_any_precision_come_in_float32(dtype: torch.dtype, load: Load) -> None:
    model = around(load("resnet18"), nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).to(dtype))
    found = filters(model, "0")
    assert found.dtype == torch.float32
    assert torch.equal(found, model.module.state_dict()["0.weight"].float())


@pytest.mark.parametrize("layer", ["body.plain", "unused.transposed", "unused.normed"])
@pytest.mark.parametrize("outputs", [(), (0, 1)])
def test_what_is_done_to_filters_is_not_done_to_the_network(layer: str, outputs: tuple[int, ...], small: Model) -> None:
    before = filters(small, layer).clone()
    found = filters(small, layer, outputs)
    assert not found.requires_grad
    found.fill_(7)
    assert torch.equal(filters(small, layer), before)


@pytest.mark.parametrize("layer", ["body.plan", "", "layer1"])
def test_an_unknown_layer_is_told_with_convolutions_that_there_are(layer: str, small: Model) -> None:
    with pytest.raises(UnknownName, match=r"body\.plain") as caught:
        filters(small, layer)
    assert (caught.value.field, caught.value.reason) == ("layer", "UNKNOWN_LAYER")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("body.norm", r"BatchNorm2d.*convolutions: body\."),
        ("body", r"Sequential.*convolutions: body\.plain, body\.grouped, \.\.\.$"),
        ("unused.line", r"Conv1d.*convolutions: unused\."),
        ("unused.volume", "Conv3d"),
    ],
)
def test_a_layer_that_is_no_convolution_on_a_grid_is_refused(layer: str, message: str, small: Model) -> None:
    for ask in (filters, filter_shape):
        with pytest.raises(InvalidInput, match=message) as caught:
            ask(small, layer)
        assert (caught.value.field, caught.value.reason) == ("layer", "LAYER_WITHOUT_FILTERS")


def test_a_network_without_convolutions_says_so(load: Load) -> None:
    model = around(load("resnet18"), nn.Sequential(nn.Flatten(), nn.Linear(5760, 3)))
    with pytest.raises(InvalidInput, match="convolutions: none"):
        filters(model, "1")


@pytest.mark.parametrize("number", [-1, 12, 10**6])
def test_a_filter_that_is_not_there_is_refused_with_the_range(number: int, small: Model) -> None:
    with pytest.raises(InvalidInput, match=f"filters 0 to 11, not {number}") as caught:
        filters(small, "body.plain", outputs=[0, number])
    assert (caught.value.field, caught.value.reason) == ("outputs", "OUT_OF_RANGE")


def test_no_more_come_back_than_there_are(small: Model) -> None:
    """Two lists of thousands, which a small message holds, would multiply to more than any memory."""
    for chosen in ({"outputs": [0] * 13}, {"inputs": [0] * 4}, {"outputs": [0] * 100_000, "inputs": [0] * 100_000}):
        with pytest.raises(InvalidInput, match="are more than that") as caught:
            filters(small, "body.plain", **chosen)
        assert (caught.value.field, caught.value.reason) == (next(iter(chosen)), "OUT_OF_RANGE")
    assert filters(small, "body.plain", outputs=[5] * 12, inputs=[0] * 3).shape[:2] == (12, 3)


@pytest.mark.parametrize("number", [-1, 3, 11])
def test_an_input_outside_the_group_is_refused_with_the_range(number: int, small: Model) -> None:
    with pytest.raises(InvalidInput, match=f"input channels 0 to 2, not {number}") as caught:
        filters(small, "body.grouped", inputs=[number])
    assert (caught.value.field, caught.value.reason) == ("inputs", "OUT_OF_RANGE")
