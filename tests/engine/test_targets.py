"""What is explained: classes, their differences, probabilities, and units inside a network."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.target import TOP_CLASS, ClassTarget, Output, Target, UnitTarget
from convscope.engine.errors import InvalidInput, MethodUnsupported, UnknownName
from tests.engine.reference import Inputs, Load, on_grid
from tests.engine.rounding import RELATIVE, assert_same_but_rounding, differs


class Small(nn.Module):
    """Five classes from any picture of 8 x 8."""

    def __init__(self) -> None:
        torch.manual_seed(12)
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(16, 5)
        self.double().eval()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.flatten(self.pool(self.relu(self.conv(images)))))
        return scores


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(11))


OUTPUTS: dict[Output, Callable[[Tensor], Tensor]] = {
    "score": lambda scores: scores,
    "probability": lambda scores: scores.exp() / scores.exp().sum(),
    "log_probability": lambda scores: scores - scores.exp().sum().log(),
}


def derivative(explained: Callable[[Tensor], Tensor], image: Tensor) -> tuple[Tensor, Tensor]:
    """The value of a function of one image, and its gradient [3, H, W]."""
    pixels = image.clone().requires_grad_()
    value = explained(pixels.unsqueeze(0))
    value.backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    return value.detach(), pixels.grad


def assert_explained(
    module: nn.Module, images: Tensor, targets: Any, each: list[Callable[[Tensor], Tensor]], tolerance: float = 1e-12
) -> None:
    """Each image's value and gradient are those of the function of its image alone."""
    found = attribute_fully(module, images, targets, "gradient")
    for row, (image, explained) in enumerate(zip(images, each, strict=True)):
        value, gradient = derivative(explained, image)
        assert gradient.any()
        scale = float(gradient.abs().max())
        torch.testing.assert_close(found.values[row], gradient, rtol=0, atol=tolerance * scale)
        torch.testing.assert_close(found.explained[row], value, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("output", OUTPUTS)
def test_classes_are_added_and_others_taken_off_in_the_output_that_is_asked_for(
    output: Output, small: Small, images: Tensor
) -> None:
    def explained(plus: list[int], minus: list[int]) -> Callable[[Tensor], Tensor]:
        def of(image: Tensor) -> Tensor:
            read = OUTPUTS[output](small(image)[0])
            return read[plus].sum() - read[minus].sum()

        return of

    targets = [ClassTarget((1, 4), (0, 2, 3), output), ClassTarget((2,), output=output)]
    assert_explained(small, images, targets, [explained([1, 4], [0, 2, 3]), explained([2], [])])


def test_a_class_named_twice_counts_twice(small: Small, images: Tensor) -> None:
    once, twice = (attribute(small, images, ClassTarget(classes), "gradient") for classes in ((3,), (3, 3)))
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize("method", ["saliency", "grad_cam", "layer_cam", "guided_backprop"])
def test_every_method_explains_a_difference_of_probabilities(method: str, small: Small, images: Tensor) -> None:
    """A method that is linear in the gradient would be the difference; none but sees the whole target."""

    class Read(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            read = small(images).softmax(dim=1)
            return torch.stack([read[:, 1] - read[:, 4]], dim=1)

    network = Read()
    network.small = small
    cam = method.endswith("cam")
    target = ClassTarget((1,), (4,), "probability")
    found = attribute(small, images, target, method, **({"layer": "conv"} if cam else {}))
    assert found.any()
    expected = attribute(network, images, 0, method, **({"layer": "small.conv"} if cam else {}))
    torch.testing.assert_close(found, expected)


def test_a_score_is_read_unless_the_target_says_otherwise(small: Small, images: Tensor) -> None:
    found = attribute(small, images, ClassTarget((2,)), "gradient")
    assert torch.equal(found, attribute(small, images, ClassTarget((2,), output="score"), "gradient"))
    assert differs(found, attribute(small, images, ClassTarget((2,), output="probability"), "gradient"))


@pytest.mark.parametrize("asked", [None, ClassTarget(), [ClassTarget(), ClassTarget()]])
def test_without_a_class_the_one_with_the_highest_score_is_named(asked: Any, small: Small, images: Tensor) -> None:
    with torch.no_grad():
        small.classifier.bias.copy_(-small(images).mean(dim=0) + small.classifier.bias)  # the images now differ
        top = small(images).argmax(dim=1).tolist()
    assert top[0] != top[1]
    found = attribute_fully(small, images, asked, "gradient")
    assert found.targets.each == tuple(ClassTarget((index,)) for index in top)
    assert torch.equal(found.values, attribute(small, images, top, "gradient"))
    assert torch.equal(found.explained, found.scores.amax(dim=1))


def test_what_speaks_for_the_top_class_rather_than_another(small: Small, images: Tensor) -> None:
    with torch.no_grad():
        top = small(images).argmax(dim=1).tolist()
    other = next(index for index in range(5) if index not in top)
    found = attribute_fully(small, images, ClassTarget((TOP_CLASS,), (other,)), "gradient")
    assert found.targets.each == tuple(ClassTarget((index,), (other,)) for index in top)
    expected = attribute(small, images, top, "gradient") - attribute(small, images, other, "gradient")
    torch.testing.assert_close(found.values, expected)


def test_classes_and_targets_may_stand_side_by_side(small: Small, images: Tensor) -> None:
    found = attribute(small, images, [3, ClassTarget((0,), (1,))], "gradient")
    assert torch.equal(found[0], attribute(small, images[:1], 3, "gradient")[0])
    torch.testing.assert_close(found[1:], attribute(small, images[1:], ClassTarget((0,), (1,)), "gradient"))


# The mean of a channel, one of its places, or its only number.


def output_of(module: nn.Module, layer: str, image: Tensor) -> Tensor:
    """Of one image, [channels, ...] as the layer gives it; in the graph."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        seen.append(output.clone())
        return seen[-1].clone()

    handle = module.get_submodule(layer).register_forward_hook(keep)
    module(image)
    handle.remove()
    return seen[-1][0]


def test_a_channel_is_its_mean_over_all_places(small: Small, images: Tensor) -> None:
    """Before the ReLU in place that follows."""
    each: list[Callable[[Tensor], Tensor]] = [
        lambda image: small.conv(image)[0, 2].mean(),
        lambda image: small.conv(image)[0, 0].mean(),
    ]
    assert_explained(small, images, [UnitTarget("conv", 2), UnitTarget("conv", 0)], each)


def test_a_unit_at_a_place_is_its_value_there(small: Small, images: Tensor) -> None:
    each: list[Callable[[Tensor], Tensor]] = [
        lambda image: small.conv(image)[0, 2, 0, 7],
        lambda image: small.conv(image)[0, 3, 5, 1],
    ]
    targets = [UnitTarget("conv", 2, (0, 7)), UnitTarget("conv", 3, (5, 1))]
    assert_explained(small, images, targets, each)
    (found,) = attribute(small, images[:1], UnitTarget("conv", 2, (4, 4)), "gradient").abs().sum(dim=1)
    assert found.nonzero().amin(dim=0).tolist() == [3, 3]  # what the 3 x 3 kernel sees
    assert found.nonzero().amax(dim=0).tolist() == [5, 5]


@pytest.mark.parametrize("layer", ["flatten", "classifier"])
def test_a_unit_of_a_layer_without_places_is_its_number(layer: str, small: Small, images: Tensor) -> None:
    each: list[Callable[[Tensor], Tensor]] = [lambda image: output_of(small, layer, image)[4]] * 2
    assert_explained(small, images, UnitTarget(layer, 4), each)


def test_a_unit_of_the_last_layer_is_the_score(small: Small, images: Tensor) -> None:
    found = attribute_fully(small, images, [UnitTarget("classifier", 4), UnitTarget("classifier", 1)], "gradient")
    assert torch.equal(found.values, attribute(small, images, [4, 1], "gradient"))
    assert torch.equal(found.explained, found.scores[[0, 1], [4, 1]])


def test_of_tokens_without_places_a_channel_is_the_mean_over_the_tokens(images: Tensor) -> None:
    class Tokens(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(2).transpose(1, 2)[:, ::3]  # 22 tokens are no grid of 8 x 8

    tokens = nn.Sequential(OrderedDict(tokens=Tokens(), linear=nn.Linear(3, 6)))
    network = nn.Sequential(OrderedDict(inner=tokens, flatten=nn.Flatten(), fc=nn.Linear(132, 5))).double().eval()
    each: list[Callable[[Tensor], Tensor]] = [lambda image: tokens(image)[0, :, 5].mean()] * 2
    assert_explained(network, images, UnitTarget("inner.linear", 5), each)
    with pytest.raises(InvalidInput, match="channels 0 to 5"):
        attribute(network, images, UnitTarget("inner.linear", 6), "gradient")
    with pytest.raises(InvalidInput, match="no grid"):
        attribute(network, images, UnitTarget("inner.linear", 0, (0, 0)), "gradient")


# Layer, channels, rows and columns.
GRIDS = {
    "resnet18": ("layer2.1.bn2", 128, 28),  # the shortcut is added in place
    "vit_b_16": ("encoder.layers.encoder_layer_4", 768, 14),
    "swin_t": ("features.3.1", 192, 28),
}


@pytest.mark.parametrize("network", GRIDS)
@pytest.mark.parametrize("place", [None, (3, 9)])
def test_units_stand_in_the_grid_of_convolutions_of_tokens_and_of_channels_last(
    place: tuple[int, int] | None, network: str, load: Load, inputs: Inputs
) -> None:
    layer, channels, side = GRIDS[network]
    model = load(network)

    def explained(image: Tensor) -> Tensor:
        output = output_of(model.module, layer, image)
        grid = output.permute(2, 0, 1) if network == "swin_t" else on_grid(output)
        assert grid.shape == (channels, side, side)
        return grid[-1].mean() if place is None else grid[(-1, *place)]

    target = UnitTarget(layer, channels - 1, place)
    assert_explained(model.module, inputs(model)[:1], target, [explained], tolerance=RELATIVE)


def test_of_a_layer_that_runs_twice_the_last_run_is_read(images: Tensor) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.fc = nn.Linear(3, 5)

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.fc(self.conv(self.conv(images).relu()).mean(dim=(2, 3)))
            return scores

    network = Twice().double().eval()
    each: list[Callable[[Tensor], Tensor]] = [lambda image: network.conv(network.conv(image).relu())[0, 1].mean()] * 2
    assert_explained(network, images, UnitTarget("conv", 1), each)


def test_grad_cam_explains_a_unit_by_a_layer_before_it(load: Load, inputs: Inputs) -> None:
    model = load("resnet18")
    images = inputs(model)[:2]

    class UpTo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.of = model.module

        def forward(self, images: Tensor) -> Tensor:
            seen: list[Tensor] = []
            handle = self.of.get_submodule("layer3").register_forward_hook(lambda _, __, output: seen.append(output))
            self.of(images)
            handle.remove()
            return seen[0].mean(dim=(2, 3))

    expected = attribute(UpTo().eval(), images, [5, 6], "grad_cam", layer="of.layer2", relu=False)
    targets = [UnitTarget("layer3", 5), UnitTarget("layer3", 6)]
    found = attribute(model.module, images, targets, "grad_cam", layer="layer2", relu=False)
    assert_same_but_rounding(found, expected)


def test_a_unit_that_comes_before_the_layer_does_not_depend_on_it(small: Small, images: Tensor) -> None:
    with pytest.raises(MethodUnsupported, match="the layer 'conv' does not depend on the layer 'relu'"):
        attribute(small, images, UnitTarget("conv", 0), "grad_cam", layer="relu")


CONV = UnitTarget("conv", 0)


@pytest.mark.parametrize("method", ["gradient", "grad_cam", "eigen_cam", "guided_backprop", "smooth_grad"])
@pytest.mark.parametrize(
    ("target", "reason", "message"),
    [
        (ClassTarget((5,)), "UNKNOWN_CLASS", "class 5 .*classes 0 to 4"),
        (ClassTarget((0, 7)), "UNKNOWN_CLASS", "class 7 "),
        (ClassTarget((0,), (5,)), "UNKNOWN_CLASS", "class 5 "),
        (ClassTarget((0,), (-1,)), "UNKNOWN_CLASS", "class -1 "),
        (ClassTarget((-2,)), "UNKNOWN_CLASS", "class -2 "),
        (ClassTarget(()), "UNKNOWN_CLASS", "at least one class"),
        ([ClassTarget((0,)), ClassTarget((5,), output="score")], "INVALID_INPUT", "one output"),
        ([ClassTarget((0,)), CONV], "INVALID_INPUT", "one output"),
        ([0, CONV], "INVALID_INPUT", "one output"),
        ([UnitTarget("relu", 0), CONV], "INVALID_INPUT", "same layer"),
        ([UnitTarget("conv", 0, (0, 0)), CONV], "INVALID_INPUT", "one output"),
        ([CONV], "INVALID_INPUT", "2 images, but 1 targets"),
        (UnitTarget("convolution", 0), "UNKNOWN_LAYER", "nearest: conv"),
        (UnitTarget("", 0), "UNKNOWN_LAYER", "known: conv"),
        (UnitTarget("conv", 4), "OUT_OF_RANGE", "channels 0 to 3"),
        (UnitTarget("conv", -1), "OUT_OF_RANGE", "channels 0 to 3"),
        (UnitTarget("classifier", 5), "OUT_OF_RANGE", "channels 0 to 4"),
        ([CONV, UnitTarget("conv", 9)], "OUT_OF_RANGE", "channels 0 to 3"),
        (UnitTarget("conv", 0, (8, 0)), "OUT_OF_RANGE", "8 x 8"),
        (UnitTarget("conv", 0, (0, 8)), "OUT_OF_RANGE", "8 x 8"),
        (UnitTarget("conv", 0, (-1, 0)), "OUT_OF_RANGE", "8 x 8"),
        (UnitTarget("classifier", 0, (0, 0)), "LAYER_NOT_SPATIAL", "no grid"),
    ],
    ids=str,
)
def test_a_target_that_is_not_there_is_named(
    target: Target | list[Target | int], reason: str, message: str, method: str, images: Tensor
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        attribute(Small(), images, target, method)
    assert (caught.value.field, caught.value.reason) == ("targets", reason)


def test_a_layer_that_a_pass_never_runs_is_not_there(images: Tensor) -> None:
    class Unused(Small):
        def __init__(self) -> None:
            super().__init__()
            self.never = nn.Conv2d(3, 3, 1)

    with pytest.raises(UnknownName) as caught:
        attribute(Unused(), images, UnitTarget("never", 0), "gradient")
    assert caught.value.field == "targets"
