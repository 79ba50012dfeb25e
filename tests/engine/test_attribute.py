"""One call explains a batch and leaves everything else as it was."""

import gc
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.errors import ConvscopeError, InvalidInput, InvalidParameter, MethodUnsupported, UnknownName
from convscope.engine.models.model import Model
from tests.engine.rounding import assert_same_but_rounding

METHODS = ("saliency", "grad_cam")
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Stumbling(nn.Module):
    """A layer that can be told to raise."""

    raises = False

    def forward(self, values: Tensor) -> Tensor:
        if self.raises:
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

    def stumble(self, raises: bool) -> None:
        layer = self.get_submodule("stumbling")
        assert isinstance(layer, Stumbling)
        layer.raises = raises


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


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(11))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", ["resnet18", "densenet121", "efficientnet_lite0"])
def test_a_network_is_as_before_after_a_call(
    network: str, method: str, load: Callable[[str], Model], inputs: Callable[[Model], Tensor]
) -> None:
    model = load(network)
    before = State.of(model.module)
    attribute(model.module, inputs(model), [1, 2, 3], method)
    assert State.of(model.module) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_as_before_after_an_error_in_the_middle_of_its_pass(
    method: str, small: Small, images: Tensor
) -> None:
    good = attribute(small, images, 1, method)
    before = State.of(small)
    small.stumble(True)
    with pytest.raises(RuntimeError, match="out of memory, say"):
        attribute(small, images, 1, method)
    assert State.of(small) == before
    assert torch.is_grad_enabled()
    small.stumble(False)
    assert torch.equal(attribute(small, images, 1, method), good)


def test_a_network_whose_very_first_pass_raises_is_as_before(small: Small, images: Tensor) -> None:
    before = State.of(small)
    small.stumble(True)
    with pytest.raises(RuntimeError, match="out of memory, say"):
        attribute(small, images, 1, "grad_cam")
    assert State.of(small) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_as_before_after_a_class_that_does_not_exist(method: str, small: Small, images: Tensor) -> None:
    before = State.of(small)
    with pytest.raises(InvalidInput):
        attribute(small, images, 5, method)
    assert State.of(small) == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("method", METHODS)
def test_parameters_that_require_gradients_gather_none(method: str, small: Small, images: Tensor) -> None:
    expected = attribute(small, images, 1, method)
    assert all(parameter.requires_grad for parameter in small.parameters())
    assert State.of(small).gradients == []
    assert torch.equal(attribute(small.requires_grad_(False), images, 1, method), expected)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_that_a_training_left_stay(method: str, small: Small, images: Tensor) -> None:
    small(images).sum().backward()
    before = [parameter.grad.clone() for parameter in small.parameters() if parameter.grad is not None]
    attribute(small, images, 1, method)
    after = [parameter.grad for parameter in small.parameters() if parameter.grad is not None]
    assert len(before) == len(list(small.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_images_are_as_before_and_the_answer_is_free_of_any_graph(method: str, small: Small, images: Tensor) -> None:
    images.requires_grad_()
    values = images.detach().clone()
    found = attribute(small, images, 1, method)
    assert torch.equal(images, values)
    assert images.requires_grad
    assert images.grad is None
    assert not found.requires_grad


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_changes_nothing_and_is_kept(
    mode: Callable[[], Any], method: str, small: Small, images: Tensor
) -> None:
    expected = attribute(small, images, 1, method)
    with mode():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        found = attribute(small, images, 1, method)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    assert torch.equal(found, expected)


@pytest.mark.parametrize("method", METHODS)
def test_images_may_come_from_inference_mode(method: str, small: Small, images: Tensor) -> None:
    with torch.inference_mode():
        made_there = images * 1
    assert torch.equal(attribute(small, made_there, 1, method), attribute(small, images, 1, method))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("one", [1, [1, 1], (1, 1), torch.tensor(1), torch.tensor([1, 1], dtype=torch.int32)], ids=str)
def test_a_target_may_be_one_for_all_or_one_an_image(one: Any, method: str, small: Small, images: Tensor) -> None:
    each = [attribute(small, images[i : i + 1], torch.tensor([1]), method) for i in range(2)]
    assert_same_but_rounding(attribute(small, images, one, method), torch.cat(each))


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
def test_targets_that_are_no_classes_are_refused(
    targets: Any, reason: str, method: str, small: Small, images: Tensor
) -> None:
    with pytest.raises(InvalidInput) as caught:
        attribute(small, images, targets, method)
    assert caught.value.field == "targets"
    assert caught.value.reason == reason


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
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(
    method: str, parameters: dict[str, Any], field: str, small: Small, images: Tensor
) -> None:
    with pytest.raises(InvalidParameter, match=field) as caught:
        attribute(small, images, 1, method, **parameters)
    assert (caught.value.field, caught.value.reason) == (field, "INVALID_PARAMETER")


def test_an_unknown_parameter_names_those_that_exist(small: Small, images: Tensor) -> None:
    with pytest.raises(InvalidParameter, match="known: layer, relu"):
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
    assert attribute(used, large, 1, "grad_cam").shape == expected.shape == (1, 4, 4)


def test_a_network_that_was_explained_can_be_forgotten(images: Tensor) -> None:
    network = Small()
    for method in METHODS:
        attribute(network, images, 1, method)
    trace = weakref.ref(network)
    del network
    gc.collect()
    assert trace() is None


@dataclass(frozen=True)
class Question:
    network: str
    image: int
    target: int
    method: str
    parameters: dict[str, Any]


def test_eight_threads_on_shared_networks_get_the_answers_that_one_alone_gets(
    load: Callable[[str], Model], inputs: Callable[[Model], Tensor]
) -> None:
    models = {name: load(name) for name in ("resnet18", "densenet121")}
    images = {name: inputs(model) for name, model in models.items()}
    questions = [
        Question("resnet18", 0, 281, "saliency", {}),
        Question("resnet18", 1, 3, "saliency", {"abs": False}),
        Question("resnet18", 2, 812, "grad_cam", {"relu": False}),
        Question("resnet18", 0, 5, "grad_cam", {"relu": False, "layer": "layer2"}),
        Question("resnet18", 1, 5, "grad_cam", {"relu": False, "layer": "layer4.1.relu"}),
        Question("densenet121", 0, 281, "saliency", {}),
        Question("densenet121", 1, 3, "grad_cam", {"relu": False, "layer": "features.norm5"}),
        Question("densenet121", 2, 812, "grad_cam", {"relu": False, "layer": "features.denseblock2"}),
    ]

    def answer(question: Question) -> Tensor:
        one = images[question.network][question.image : question.image + 1]
        module = models[question.network].module
        return attribute(module, one, question.target, question.method, **question.parameters)

    lone = [answer(question) for question in questions]
    start = threading.Barrier(8)

    def work(first: int) -> list[tuple[int, Tensor]]:
        start.wait(timeout=60)
        places = [(first + step) % len(questions) for step in range(0, 8, 2)]
        return [(place, answer(questions[place])) for place in places]

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for pairs in pool.map(work, range(8)) for pair in pairs]
    assert len(answers) == 32
    for place, found in answers:
        assert_same_but_rounding(found, lone[place])
    assert not any(any(counts) for model in models.values() for counts in State.of(model.module).hooks.values())
