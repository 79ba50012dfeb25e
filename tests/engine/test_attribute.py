"""One call explains a batch and leaves everything else as it was."""

import gc
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.method import PassMethod
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from convscope.engine.errors import ConvscopeError, InvalidInput, InvalidParameter, MethodUnsupported, UnknownName
from tests.engine.reference import Inputs, Load
from tests.engine.rounding import assert_same_but_rounding
from tests.engine.scanned import scanned

# So that a method with many passes takes few.
FEW: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 2},
    "smooth_grad": {"samples": 2},
    "var_grad": {"samples": 2},
    "score_cam": {"masks": 3},
    "occlusion": {"window": 4, "stride": 3},
    "rise": {"masks": 3},
}
SCANS = sorted(set(METHODS) - {name for name, method in METHODS.items() if isinstance(method, PassMethod)})
# They are the same for every class.
WITHOUT_CLASS = {"eigen_cam", "attention_rollout"}
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Stumbling(nn.Module):
    """A layer that can be told to raise, after some runs."""

    after: int | None = None
    runs = 0

    def forward(self, values: Tensor) -> Tensor:
        self.runs += 1
        if self.after is not None and self.runs > self.after:
            raise RuntimeError("out of memory, say")
        return values * 1


class Small(nn.Sequential):
    """Five classes from any picture; a ReLU in place behind the convolution."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(3, 4, 3, padding=1),
                norm=nn.BatchNorm2d(4),
                relu=nn.ReLU(inplace=True),
                stumbling=Stumbling(),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(4, 5),
            )
        )
        self.eval()


class SmallTransformer(nn.Module):
    """Five classes from a class token and four patches of a picture of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 6, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.norm = nn.LayerNorm(6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.relu = nn.ReLU()
        self.stumbling = Stumbling()
        self.classifier = nn.Linear(6, 5)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        patches = self.conv(images).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat((self.token.expand(len(images), -1, -1), patches), dim=1))
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        scores: Tensor = self.classifier(self.relu(self.stumbling(tokens + attended))[:, 0])
        return scores


def stumbling(network: nn.Module) -> Stumbling:
    layer = network.get_submodule("stumbling")
    assert isinstance(layer, Stumbling)
    return layer


class SideBranch(nn.Module):
    """Runs a layer whose output nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.side = nn.Conv2d(3, 2, 1)
        self.main = Small()
        self.eval()

    def forward(self, values: Tensor) -> Tensor:
        self.side(values)
        scores: Tensor = self.main(values)
        return scores


@dataclass(frozen=True)
class State:
    """All that a call might have changed in a network."""

    hooks: dict[str, list[int]]
    training: dict[str, bool]
    requires_grad: dict[str, bool]
    gradients: list[str]
    digest: str

    @classmethod
    def of(cls, module: nn.Module) -> "State":
        digest = hashlib.sha256()
        for name, tensor in module.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} {tensor.stride()}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return cls(
            hooks={name: [len(getattr(part, kind)) for kind in HOOKS] for name, part in module.named_modules()},
            training={name: part.training for name, part in module.named_modules()},
            requires_grad={name: parameter.requires_grad for name, parameter in module.named_parameters()},
            gradients=[name for name, parameter in module.named_parameters() if parameter.grad is not None],
            digest=digest.hexdigest(),
        )


def small_for(method: str) -> nn.Module:
    """A small network that has what the method looks at."""
    return SmallTransformer() if method == "attention_rollout" else Small()


def few(method: str) -> dict[str, Any]:
    return FEW.get(method, {})


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(11))


# Layers with few channels, for methods that run once for each.
REAL = {
    "resnet18": "layer1.0.bn1",
    "densenet121": "features.denseblock1.denselayer2.conv2",
    "efficientnet_lite0": "head",
}


@pytest.mark.parametrize(
    ("network", "method"),
    [*product(REAL, sorted(set(METHODS) - {"attention_rollout"})), ("vit_b_16", "attention_rollout")],
)
def test_a_network_is_as_before_after_a_call(network: str, method: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned(network, load, inputs)
    parameters = few(method)
    if method == "occlusion":
        parameters = {"window": 32, "stride": 32}
    if method in ("ablation_cam", "score_cam"):
        parameters = parameters | {"layer": REAL[network]}
    before = State.of(module)
    attribute(module, images, [1, 2], method, **parameters)
    assert State.of(module) == before
    assert_ordinary()


def assert_ordinary() -> None:
    """Nothing of a method is left in this thread: not its gradient mode, and not its rule for ReLUs."""
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert not torch.overrides._get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(nn.functional.relu(x), x, torch.tensor([-3.0, -3.0]))
    assert gradient.tolist() == [0, -3]


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_as_before_after_an_error_in_the_middle_of_any_of_its_passes(method: str, images: Tensor) -> None:
    network = small_for(method)
    attribute(network, images, 1, method, **few(method))  # the first call looks at the network
    layer = stumbling(network)
    layer.runs = 0
    good = attribute(network, images, 1, method, **few(method))
    before, passes = State.of(network), layer.runs
    assert passes > 0
    for after in range(passes):
        layer.after, layer.runs = after, 0
        with pytest.raises(RuntimeError, match="out of memory, say"):
            attribute(network, images, 1, method, **few(method))
        assert State.of(network) == before
        assert_ordinary()
    layer.after = None
    assert torch.equal(attribute(network, images, 1, method, **few(method)), good)


@pytest.mark.parametrize("method", SCANS)
def test_a_network_is_as_before_after_progress_raised(method: str, small: Small, images: Tensor) -> None:
    told: list[int] = []
    found = attribute_fully(small, images, 1, method, progress=lambda done, _: told.append(done), **few(method))
    assert len(told) > 1
    before = State.of(small)
    for last in range(len(told)):
        left = last

        def raise_at_last(done: int, total: int) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1

        with pytest.raises(KeyboardInterrupt):
            attribute_fully(small, images, 1, method, progress=raise_at_last, **few(method))
        assert State.of(small) == before
        assert_ordinary()
    assert torch.equal(attribute(small, images, 1, method, **few(method)), found.values)


def test_methods_of_one_pass_tell_no_progress(images: Tensor) -> None:
    told: list[int] = []
    for method in set(METHODS) - set(SCANS):
        attribute_fully(small_for(method), images, 1, method, progress=lambda done, _: told.append(done))
    assert told == []


def test_a_network_whose_very_first_pass_raises_is_as_before(small: Small, images: Tensor) -> None:
    before = State.of(small)
    stumbling(small).after = 0
    with pytest.raises(RuntimeError, match="out of memory, say"):
        attribute(small, images, 1, "grad_cam")
    assert State.of(small) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_as_before_after_a_class_that_does_not_exist(method: str, images: Tensor) -> None:
    small = small_for(method)
    before = State.of(small)
    with pytest.raises(InvalidInput):
        attribute(small, images, 5, method, **few(method))
    assert State.of(small) == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("method", METHODS)
def test_parameters_that_require_gradients_gather_none(method: str, images: Tensor) -> None:
    small = small_for(method)
    expected = attribute(small, images, 1, method, **few(method))
    assert all(parameter.requires_grad for parameter in small.parameters())
    assert State.of(small).gradients == []
    assert torch.equal(attribute(small.requires_grad_(False), images, 1, method, **few(method)), expected)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_that_a_training_left_stay(method: str, images: Tensor) -> None:
    small = small_for(method)
    small(images).sum().backward()
    before = [parameter.grad.clone() for parameter in small.parameters() if parameter.grad is not None]
    attribute(small, images, 1, method, **few(method))
    after = [parameter.grad for parameter in small.parameters() if parameter.grad is not None]
    assert len(before) == len(list(small.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_images_are_as_before_and_the_answer_is_free_of_any_graph(method: str, images: Tensor) -> None:
    small = small_for(method)
    images.requires_grad_()
    values = images.detach().clone()
    found = attribute(small, images, 1, method, **few(method))
    assert torch.equal(images, values)
    assert images.requires_grad
    assert images.grad is None
    assert not found.requires_grad


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_changes_nothing_and_is_kept(
    mode: Callable[[], Any], method: str, images: Tensor
) -> None:
    small = small_for(method)
    expected = attribute(small, images, 1, method, **few(method))
    with mode():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        found = attribute(small, images, 1, method, **few(method))
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    assert torch.equal(found, expected)


@pytest.mark.parametrize("method", METHODS)
def test_images_may_come_from_inference_mode(method: str, images: Tensor) -> None:
    small = small_for(method)
    with torch.inference_mode():
        made_there = images * 1
    assert torch.equal(
        attribute(small, made_there, 1, method, **few(method)), attribute(small, images, 1, method, **few(method))
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("one", [1, [1, 1], (1, 1), torch.tensor(1), torch.tensor([1, 1], dtype=torch.int32)], ids=str)
def test_a_target_may_be_one_for_all_or_one_an_image(one: Any, method: str, images: Tensor) -> None:
    small = small_for(method)
    each = [attribute(small, images[i : i + 1], torch.tensor([1]), method, **few(method)) for i in range(2)]
    assert_same_but_rounding(attribute(small, images, one, method, **few(method)), torch.cat(each))


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        (5, "UNKNOWN_CLASS"),
        ([0, 5], "UNKNOWN_CLASS"),
        (-1, "UNKNOWN_CLASS"),
        ([0, -1], "UNKNOWN_CLASS"),
        (2**40, "UNKNOWN_CLASS"),
        (2**70, "INVALID_INPUT"),
        (1.0, "INVALID_INPUT"),
        ([1.0, 2.0], "INVALID_INPUT"),
        (torch.tensor([1.0, 2.0]), "INVALID_INPUT"),
        (torch.tensor([1j, 2]), "INVALID_INPUT"),
        (True, "INVALID_INPUT"),
        ([True, False], "INVALID_INPUT"),
        ([1], "INVALID_INPUT"),
        ([1, 2, 3], "INVALID_INPUT"),
        ([], "INVALID_INPUT"),
        ([[1], [2]], "INVALID_INPUT"),
        ([[1], [2, 3]], "INVALID_INPUT"),
        ([1, None], "INVALID_INPUT"),
        ("tabby", "INVALID_INPUT"),
        (["tabby", "crane"], "INVALID_INPUT"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_targets_that_are_no_classes_are_refused(targets: Any, reason: str, method: str, images: Tensor) -> None:
    small = small_for(method)
    with pytest.raises(InvalidInput) as caught:
        attribute(small, images, targets, method, **few(method))
    assert caught.value.field == "targets"
    assert caught.value.reason == reason


@pytest.mark.parametrize("wrong", [2.7, -1, True, None, "1", torch.tensor(1.0), [0, 1]], ids=str)
def test_among_targets_too_a_class_is_an_index(wrong: Any, small: Small, images: Tensor) -> None:
    with pytest.raises(InvalidInput) as caught:
        attribute(small, images, [ClassTarget((1,)), wrong], "gradient")
    assert caught.value.field == "targets"
    found = attribute(small, images, [ClassTarget((1,)), 2], "gradient")
    assert torch.equal(found, attribute(small, images, [1, 2], "gradient"))


@pytest.mark.parametrize("method", METHODS)
def test_a_unit_that_does_not_exist_is_refused(method: str, images: Tensor) -> None:
    network = small_for(method)
    before = State.of(network)
    for target in (UnitTarget("conf", 0), UnitTarget("conv", 6), UnitTarget("conv", 0, (8, 0))):
        with pytest.raises(InvalidInput) as caught:
            attribute(network, images, target, method, **few(method))
        assert caught.value.field == "targets"
    assert State.of(network) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_explained_each_image_for_its_own_target(method: str, images: Tensor) -> None:
    network = small_for(method)
    together = attribute_fully(network, images, [1, 4], method, **few(method))
    for row, target in enumerate([1, 4]):
        alone = attribute_fully(network, images[row : row + 1], target, method, **few(method))
        assert_same_but_rounding(together.values[row : row + 1], alone.values)
        assert torch.allclose(together.scores[row], alone.scores[0], atol=1e-6)
        assert torch.allclose(together.explained[row], alone.explained[0], atol=1e-6)
        assert together.targets.each[row] == alone.targets.each[0]
    swapped = attribute(network, images, [4, 1], method, **few(method))
    assert torch.equal(swapped, together.values) == (method in WITHOUT_CLASS)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 1, 3, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 8, dtype=torch.complex64),
        torch.zeros(1, 3, 8, 8).numpy(),
        [[0.0]],
        None,
    ],
    ids=["one image", "five dimensions", "empty", "uint8", "complex", "numpy", "list", "none"],
)
def test_images_that_are_no_batch_are_refused(images: Any, small: Small) -> None:
    with pytest.raises(InvalidInput) as caught:
        attribute(small, images, 1, "saliency")
    assert caught.value.field == "images"


def test_an_unknown_method_names_the_nearest(small: Small, images: Tensor) -> None:
    with pytest.raises(UnknownName, match="grad_cam") as caught:
        attribute(small, images, 1, "gradcam")
    assert (caught.value.field, caught.value.reason) == ("method", "UNKNOWN_METHOD")


def test_an_unknown_layer_names_the_nearest(small: Small, images: Tensor) -> None:
    with pytest.raises(UnknownName, match=r"nearest: .*conv") as caught:
        attribute(small, images, 1, "grad_cam", layer="conf")
    assert (caught.value.field, caught.value.reason) == ("layer", "UNKNOWN_LAYER")


@pytest.mark.parametrize("layer", ["pool", "flatten", "classifier"])
def test_a_layer_without_places_is_refused(layer: str, small: Small, images: Tensor) -> None:
    with pytest.raises(InvalidInput, match=layer) as caught:
        attribute(small, images, 1, "grad_cam", layer=layer)
    assert (caught.value.field, caught.value.reason) == ("layer", "LAYER_NOT_SPATIAL")


def test_a_network_without_any_places_does_not_support_grad_cam(images: Tensor) -> None:
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 5)).eval()
    with pytest.raises(MethodUnsupported, match="spatial"):
        attribute(perceptron, images, 1, "grad_cam")
    assert attribute(perceptron, images, 1, "saliency").any()


@pytest.mark.parametrize("frozen", [True, False])
def test_a_layer_that_the_scores_do_not_hang_on_is_refused(frozen: bool, images: Tensor) -> None:
    network = SideBranch().requires_grad_(not frozen)
    with pytest.raises(ConvscopeError, match="side") as caught:
        attribute(network, images, 1, "grad_cam", layer="side")
    assert caught.value.field == "layer"


@pytest.mark.parametrize(
    ("method", "parameters", "field"),
    [
        ("saliency", {"layer": "conv"}, "layer"),
        ("saliency", {"abs": "yes"}, "abs"),
        ("saliency", {"abs": 1}, "abs"),
        ("saliency", {"abs": None}, "abs"),
        ("grad_cam", {"rely": True}, "rely"),
        ("grad_cam", {"layer": 4}, "layer"),
        ("grad_cam", {"layer": ["conv"]}, "layer"),
        ("grad_cam", {"relu": "no"}, "relu"),
        ("grad_cam", {"relu": 0.0}, "relu"),
        ("integrated_gradients", {"steps": 2.0}, "steps"),
        ("integrated_gradients", {"steps": True}, "steps"),
        ("smooth_grad", {"samples": "many"}, "samples"),
        ("smooth_grad", {"stdev": "much"}, "stdev"),
        ("smooth_grad", {"base_method": 3}, "base_method"),
        ("smooth_grad", {"layer": 3}, "layer"),
        ("rise", {"masks": None}, "masks"),
        ("rise", {"probability": "half"}, "probability"),
        ("score_cam", {"masks": 2.5}, "masks"),
        ("ablation_cam", {"relu": 1}, "relu"),
        ("ablation_cam", {"masks": 3}, "masks"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(
    method: str, parameters: dict[str, Any], field: str, small: Small, images: Tensor
) -> None:
    with pytest.raises(InvalidParameter, match=field) as caught:
        attribute(small, images, 1, method, **parameters)
    assert (caught.value.field, caught.value.reason) == (field, "INVALID_PARAMETER")


INFINITY, NO_NUMBER = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("method", "parameters", "works"),
    [
        ("integrated_gradients", {"steps": 0}, "greater than or equal to 1"),
        ("integrated_gradients", {"steps": -5}, "greater than or equal to 1"),
        ("integrated_gradients", {"steps": 10_001}, "less than or equal to 10000"),
        ("integrated_gradients", {"fill": "black"}, "'zero', 'grey', 'mean' or 'blur'"),
        ("integrated_gradients", {"fill_color": (0.5, 0.5)}, "three numbers from 0 to 1"),
        ("integrated_gradients", {"fill_color": (0.5, 0.5, 0.5, 0.5)}, "three numbers from 0 to 1"),
        ("integrated_gradients", {"fill_color": (0, 0, 255)}, "three numbers from 0 to 1"),
        ("integrated_gradients", {"fill_color": "red"}, "three numbers from 0 to 1"),
        ("smooth_grad", {"samples": 0}, "greater than or equal to 1"),
        ("var_grad", {"samples": 10_001}, "less than or equal to 10000"),
        ("smooth_grad", {"stdev": 0}, "greater than 0"),
        ("smooth_grad", {"stdev": -0.1}, "greater than 0"),
        ("var_grad", {"stdev": 10.1}, "less than or equal to 10"),
        ("smooth_grad", {"stdev": NO_NUMBER}, "finite number"),
        ("var_grad", {"stdev": INFINITY}, "finite number"),
        ("smooth_grad", {"base_method": "gradcam"}, "known: gradient, saliency, .*grad_cam"),
        ("smooth_grad", {"base_method": "eigen_cam"}, "known: gradient, saliency, .*grad_cam"),
        ("var_grad", {"base_method": "smooth_grad"}, "known: gradient, saliency, .*grad_cam"),
        ("smooth_grad", {"layer": "conv"}, "those that do: grad_cam, "),
        ("var_grad", {"base_method": "saliency", "layer": "conv"}, "those that do: grad_cam, "),
        ("smooth_grad", {"seed": -1}, "greater than or equal to 0"),
        ("var_grad", {"seed": 2**31}, "less than 2147483648"),
        ("rise", {"masks": 0}, "greater than or equal to 1"),
        ("rise", {"masks": 100_001}, "less than or equal to 100000"),
        ("rise", {"cells": 1}, "greater than or equal to 2"),
        ("rise", {"cells": 65}, "less than or equal to 64"),
        ("rise", {"probability": 0}, "greater than 0"),
        ("rise", {"probability": 1}, "less than 1"),
        ("rise", {"probability": NO_NUMBER}, "finite number"),
        ("rise", {"seed": -1}, "greater than or equal to 0"),
        ("score_cam", {"masks": 0}, "greater than or equal to 1"),
    ],
)
def test_a_parameter_out_of_range_is_refused_with_what_would_work(
    method: str, parameters: dict[str, Any], works: str, small: Small, images: Tensor
) -> None:
    before = stumbling(small).runs
    with pytest.raises(InvalidParameter, match=works) as caught:
        attribute(small, images, 1, method, **parameters)
    assert caught.value.field == list(parameters)[-1]
    assert stumbling(small).runs == before


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("grad_cam", {}),
        ("guided_grad_cam", {}),
        ("score_cam", {}),
        ("ablation_cam", {}),
        ("eigen_cam", {}),
        ("smooth_grad", {"base_method": "grad_cam"}),
        ("var_grad", {"base_method": "layer_cam"}),
    ],
)
def test_a_layer_that_cannot_be_looked_at_is_refused_with_those_that_can(
    method: str, parameters: dict[str, Any], small: Small, images: Tensor
) -> None:
    with pytest.raises(UnknownName, match=r"nearest: .*conv") as caught:
        attribute(small, images, 1, method, layer="conf", **parameters)
    assert (caught.value.field, caught.value.reason) == ("layer", "UNKNOWN_LAYER")
    with pytest.raises(InvalidInput, match="pool") as refused:
        attribute(small, images, 1, method, layer="pool", **parameters)
    assert (refused.value.field, refused.value.reason) == ("layer", "LAYER_NOT_SPATIAL")


def test_an_unknown_parameter_names_those_that_exist(small: Small, images: Tensor) -> None:
    with pytest.raises(InvalidParameter, match=r"known: relu, .*layer|known: layer, relu"):
        attribute(small, images, 1, "grad_cam", layers="conv")


def test_the_size_of_earlier_images_changes_nothing() -> None:
    def network() -> nn.Module:
        torch.manual_seed(2)
        strided = [nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)]
        return nn.Sequential(*strided, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()

    large = torch.randn(1, 3, 32, 32)
    expected = attribute(network(), large, 1, "grad_cam")
    used = network()
    attribute(used, large[:, :, :8, :8], 1, "grad_cam")  # the last convolution gives one place
    assert attribute(used, large, 1, "grad_cam").shape == expected.shape == (1, 1, 4, 4)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_that_was_explained_can_be_forgotten(method: str, images: Tensor) -> None:
    network = small_for(method)
    attribute(network, images, 1, method, **few(method))
    trace = weakref.ref(network)
    del network
    gc.collect()
    assert trace() is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "method", ["integrated_gradients", "smooth_grad", "var_grad", "score_cam", "ablation_cam", "rise"]
)
def test_what_is_added_up_over_many_passes_is_at_least_in_float32(
    method: str, dtype: torch.dtype, images: Tensor
) -> None:
    network = small_for(method)
    expected = attribute(network, images, [1, 4], method, **few(method))
    found = attribute(network.to(dtype), images.to(dtype), [1, 4], method, **few(method))
    assert expected.dtype == torch.float32
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.isfinite().all()
    if dtype == torch.float64:
        assert_same_but_rounding(expected, found)


class Overwriting(nn.Sequential):
    """Works in its own input."""

    def __init__(self) -> None:
        super().__init__(OrderedDict(relu=nn.ReLU(inplace=True), rest=Small()))
        self.eval()


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"attention_rollout"}))
def test_images_are_as_before_though_the_network_works_in_them(method: str, images: Tensor) -> None:
    class Copying(Overwriting):
        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = super().forward(images * 1)  # type: ignore[no-untyped-call]
            return scores

    values = images.clone()
    found = attribute(Overwriting(), images, 1, method, **few(method))
    assert torch.equal(images, values)
    assert_same_but_rounding(found, attribute(Copying(), images, 1, method, **few(method)))


@dataclass(frozen=True)
class Question:
    network: str
    image: int
    target: int
    method: str
    parameters: dict[str, Any]


def test_eight_threads_on_shared_networks_get_the_answers_that_one_alone_gets(load: Load, inputs: Inputs) -> None:
    layers = {"resnet18": "layer1.0.bn1", "densenet121": "features.denseblock1.denselayer2.conv2"}
    networks = {name: scanned(name, load, inputs) for name in (*layers, "vit_b_16")}
    questions = [
        Question("resnet18", 1, 3, "saliency", {"abs": False}),
        Question("resnet18", 0, 812, "grad_cam", {"relu": False}),
        Question("resnet18", 1, 5, "grad_cam", {"relu": False, "layer": "layer4.1.relu"}),
        Question("densenet121", 0, 3, "grad_cam", {"relu": False, "layer": "features.norm5"}),
    ]
    for number, method in enumerate(METHODS):
        name = "vit_b_16" if method == "attention_rollout" else list(layers)[number % 2]
        parameters = few(method)
        if method == "occlusion":
            parameters = {"window": 32, "stride": 32}
        if method in ("score_cam", "ablation_cam"):
            parameters = parameters | {"layer": layers[name]}
        questions.append(Question(name, number % 2, 281 + number, method, parameters))

    def answer(question: Question) -> Tensor:
        module, images = networks[question.network]
        one = images[question.image : question.image + 1]
        return attribute(module, one, question.target, question.method, **question.parameters)

    lone = [answer(question) for question in questions]
    states = {name: State.of(module) for name, (module, _) in networks.items()}
    start = threading.Barrier(8)

    def work(first: int) -> list[tuple[int, Tensor]]:
        start.wait(timeout=60)
        places = [(first * 5 + step) % len(questions) for step in range(0, len(questions), 3)]
        return [(place, answer(questions[place])) for place in places]

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for pairs in pool.map(work, range(8)) for pair in pairs]
    assert {place for place, _ in answers} == set(range(len(questions)))
    for place, found in answers:
        if not torch.equal(found, lone[place]):
            assert_same_but_rounding(found, lone[place])
    assert {name: State.of(module) for name, (module, _) in networks.items()} == states


def test_threads_on_one_small_network_get_the_answers_of_all_methods_that_one_alone_gets(images: Tensor) -> None:
    network = Small()
    methods = sorted(set(METHODS) - {"attention_rollout"})
    lone = {method: attribute(network, images, [1, 4], method, **few(method)) for method in methods}
    before = State.of(network)
    start = threading.Barrier(8)

    def work(first: int) -> list[tuple[str, Tensor]]:
        start.wait(timeout=60)
        turned = methods[first * 2 :] + methods[: first * 2]
        return [(method, attribute(network, images, [1, 4], method, **few(method))) for method in turned]

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for pairs in pool.map(work, range(8)) for pair in pairs]
    assert len(answers) == 8 * len(methods)
    for method, found in answers:
        assert torch.equal(found, lone[method])
    assert State.of(network) == before
