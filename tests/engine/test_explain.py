"""Methods that need but a pass share it, and answer as each alone does."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.explain import Question, explain, explain_together
from convscope.engine.attribution.method import Attribution, ScanMethod
from convscope.engine.attribution.methods import find_method
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.attribution.pass_methods import PASS_METHODS
from convscope.engine.attribution.target import ClassTarget, Target, Targets, UnitTarget
from convscope.engine.errors import ConvscopeError, InvalidInput, MethodUnsupported
from tests.engine.reference import Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs

OF_CNNS = tuple(name for name in PASS_METHODS if name != "attention_rollout")
CAMS = ("grad_cam", "grad_cam_plus_plus", "layer_cam", "x_grad_cam", "eigen_cam")

Asked = tuple[str, dict[str, Any], Sequence[Target | int]]


def question(name: str, parameters: dict[str, Any], targets: Sequence[Target | int]) -> Question:
    each = tuple(ClassTarget((target,)) if isinstance(target, int) else target for target in targets)
    return Question(*find_method(name, parameters), Targets(each))


def together(module: nn.Module, images: Tensor, asked: Sequence[Asked]) -> list[Attribution]:
    questions = [question(*one) for one in asked]
    return explain_together(Batch(module, images, questions[0].targets), questions)


@contextmanager
def counted(module: nn.Module) -> Iterator[list[int]]:
    """How many images each pass through a network has."""
    passes: list[int] = []
    handle = module.register_forward_hook(lambda _, images, __: passes.append(len(images[0])))
    yield passes
    handle.remove()


class Branches(nn.Module):
    """Two branches side by side, joined."""

    def __init__(self) -> None:
        torch.manual_seed(6)
        super().__init__()
        self.left = nn.Conv2d(3, 4, 3, padding=1)
        self.right = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(8, 5)
        self.double().eval()

    def forward(self, images: Tensor) -> Tensor:
        joined = self.relu(torch.cat([self.left(images), self.right(images)], dim=1))
        scores: Tensor = self.classifier((joined * joined).mean(dim=(2, 3)))
        return scores


def symmetric() -> nn.Module:
    """A network that cannot tell left from right."""
    torch.manual_seed(2)
    network = nn.Sequential(
        OrderedDict(
            first=nn.Conv2d(3, 6, 3, padding=1),
            pool=nn.MaxPool2d(2),  # before the ReLU: of four zeros the first would be the largest
            relu=nn.ReLU(),
            second=nn.Conv2d(6, 8, 3, padding=1),
            relu2=nn.ReLU6(),
            mean=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(8, 5),
        )
    )
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.copy_((part.weight + part.weight.flip(3)) / 2)
    return network.double().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("network", ["resnet18", "googlenet"])
def test_one_forward_pass_serves_several_methods_layers_and_targets(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    early, late = {"resnet18": ("layer2", "layer4"), "googlenet": ("inception4a.branch1", "inception4a.branch2")}[
        network
    ]
    asked: list[Asked] = [
        (name, parameters, targets)
        for targets in ([281, 3], [5, 967])
        for name, parameters in (
            ("saliency", {}),
            ("grad_cam", {"layer": late, "relu": False}),
            ("layer_cam", {"layer": early}),
            ("eigen_cam", {}),
        )
    ]
    with counted(model.module) as passes:
        found = together(model.module, images, asked)
    assert passes == [2]
    for (name, parameters, targets), attribution in zip(asked, found, strict=True):
        assert_same_but_rounding(attribution.values, attribute(model.module, images, targets, name, **parameters))
        rows = attribution.scores[[0, 1], list(targets)]
        assert torch.equal(attribution.explained, rows)
    assert differs(found[1].values, found[5].values)


def test_each_backward_rule_takes_a_pass_of_its_own_and_no_more(images: Tensor) -> None:
    network = symmetric()
    attribute(network, images, 0, "gradient")  # finds the layers
    asked: list[Asked] = [
        ("guided_backprop", {}, [1, 2]),
        ("guided_grad_cam", {}, [1, 2]),
        ("deconvnet", {}, [1, 2]),
        ("grad_cam", {}, [1, 2]),
        ("guided_backprop", {}, [3, 4]),
        ("gradient", {}, [1, 2]),
    ]
    with counted(network) as passes:
        together(network, images, asked)
    assert passes == [2, 2, 2]
    for one, count in ((asked[0], 1), (asked[1], 2), (asked[2], 1), (asked[3], 1)):
        with counted(network) as passes:
            together(network, images, [one])
        assert passes == [2] * count


@pytest.mark.parametrize("frozen", [False, True])
def test_all_methods_together_answer_as_each_alone(frozen: bool, images: Tensor) -> None:
    network = Branches().requires_grad_(not frozen)
    asked: list[Asked] = [(name, {}, targets) for name in OF_CNNS for targets in ([1, 4], [2, 2])]
    asked += [(name, {"layer": layer}, [0, 3]) for name in CAMS for layer in ("left", "right", "relu")]
    asked += [("gradient", {}, [UnitTarget("right", 1), UnitTarget("right", 3)])]
    asked += [("layer_cam", {"layer": "left"}, [UnitTarget("relu", 1, (2, 3)), UnitTarget("relu", 0, (7, 7))])]
    asked += [("saliency", {}, [ClassTarget((), (1,), "probability"), ClassTarget((0, 1), (), "probability")])]
    found = together(network, images, asked)
    for (name, parameters, targets), attribution in zip(asked, found, strict=True):
        (alone,) = together(network, images, [(name, parameters, targets)])
        assert torch.equal(attribution.values, alone.values)
        assert torch.equal(attribution.explained, alone.explained)
        assert attribution.targets == alone.targets
    assert not any(part._forward_hooks for part in network.modules())


def test_layers_side_by_side_of_which_none_depends_on_the_other_share_a_pass(images: Tensor) -> None:
    """Of a frozen network the second would have no graph."""
    network = Branches().requires_grad_(False)
    asked: list[Asked] = [("grad_cam", {"layer": layer, "relu": False}, [1, 4]) for layer in ("right", "left")]
    for (name, parameters, targets), attribution in zip(asked, together(network, images, asked), strict=True):
        trained = attribute(Branches(), images, targets, name, **parameters)
        torch.testing.assert_close(attribution.values, trained)


def test_a_scan_method_among_them_has_its_own_targets(images: Tensor) -> None:
    seen: list[Targets] = []

    def scan(batch: Batch, parameters: MethodParameters) -> Attribution:
        seen.append(batch.targets)
        return explain(batch, *find_method("saliency", {}))

    network = Branches()
    mine, other = (Targets((ClassTarget((index,)),) * 2) for index in (3, 1))
    questions = [
        Question(ScanMethod(scan, MethodParameters), MethodParameters(), mine),
        Question(*find_method("gradient", {}), other),
    ]
    scanned, passed = explain_together(Batch(network, images, other), questions)
    assert seen == [mine]
    assert torch.equal(scanned.values, attribute(network, images, 3, "saliency"))
    assert torch.equal(passed.values, attribute(network, images, 1, "gradient"))


@pytest.mark.parametrize("name", OF_CNNS)
def test_a_batch_of_mixed_targets_is_answered_like_its_images_alone(name: str) -> None:
    network = symmetric()
    images = torch.randn(3, 3, 12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    found = attribute(network, images, [2, 0, 2], name)
    for row, target in enumerate([2, 0, 2]):
        alone = attribute(network, images[row : row + 1], target, name)
        torch.testing.assert_close(found[row : row + 1], alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", OF_CNNS)
def test_the_map_of_a_mirrored_image_is_the_mirrored_map(name: str, images: Tensor) -> None:
    network = symmetric()
    for parameters in [{}, {"relu": False}] if name in CAMS else [{}]:
        found = attribute(network, images, [1, 4], name, **parameters)
        mirrored = attribute(network, images.flip(3), [1, 4], name, **parameters)
        torch.testing.assert_close(mirrored, found.flip(3), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CAMS)
def test_with_relu_a_map_is_what_is_positive_of_the_one_without(name: str, images: Tensor) -> None:
    network = symmetric()
    signed = attribute(network, images, [1, 4], name, layer="first", relu=False)
    assert torch.equal(attribute(network, images, [1, 4], name, layer="first"), signed.clamp(min=0))


@pytest.mark.parametrize("name", OF_CNNS)
@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5])
def test_a_picture_of_one_colour_gives_finite_values(value: float, name: str) -> None:
    pictures = torch.full((2, 3, 12, 8), value)
    for network in (
        symmetric().float(),
        nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.ReLU(), nn.Flatten(2), Mean()),
    ):
        found = attribute(network.eval(), pictures, [1, 4], name)
        assert found.isfinite().all()


class Mean(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values.mean(dim=2)


@pytest.mark.parametrize("name", PASS_METHODS)
def test_on_real_networks_a_picture_of_one_colour_gives_finite_values(name: str, load: Load) -> None:
    model = load("vit_b_16" if name == "attention_rollout" else "efficientnet_lite0")
    size = (model.preprocessing.height, model.preprocessing.width)
    assert attribute(model.module, torch.zeros(1, 3, *size), None, name).isfinite().all()


@pytest.mark.parametrize("name", OF_CNNS)
def test_values_have_one_channel_or_one_for_each_colour(name: str, images: Tensor) -> None:
    found = attribute(symmetric(), images, 0, name)
    expected = {"saliency": (2, 1, 12, 8)} | dict.fromkeys(CAMS, (2, 1, 6, 4))
    assert found.shape == expected.get(name, (2, 3, 12, 8))
    assert found.dtype == torch.float64


@pytest.mark.parametrize("name", OF_CNNS)
def test_a_network_may_change_its_input_in_place(name: str, images: Tensor) -> None:
    class Centred(nn.Module):
        def __init__(self, inplace: bool) -> None:
            super().__init__()
            self.inner, self.inplace = symmetric(), inplace

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.inner(images.sub_(0.5) if self.inplace else images - 0.5)
            return scores

    before = images.clone()
    found = attribute(Centred(True), images, [1, 4], name)
    assert torch.equal(images, before)
    assert torch.equal(found, attribute(Centred(False), images, [1, 4], name))


@pytest.mark.parametrize(
    ("bad", "error", "field"),
    [
        (("gradient", {}, [UnitTarget("middle", 0)] * 2), InvalidInput, "targets"),
        (("gradient", {}, [5, 5]), InvalidInput, "targets"),
        (("grad_cam", {"layer": "left"}, [UnitTarget("right", 0)] * 2), MethodUnsupported, "layer"),
        (("attention_rollout", {}, [1, 1]), MethodUnsupported, "method"),
    ],
)
def test_an_error_has_the_position_of_the_question_to_blame(
    bad: Asked, error: type[ConvscopeError], field: str, images: Tensor
) -> None:
    network = Branches()
    good: Asked = ("gradient", {}, [1, 2])
    with pytest.raises(error) as caught:
        together(network, images, [good, good, bad, good])
    assert (caught.value.position, caught.value.field) == (2, field)
    assert not any(part._forward_hooks for part in network.modules())
