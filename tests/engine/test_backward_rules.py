"""Deconvnet and guided backprop change how a gradient passes a ReLU, however that is written."""

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.explain import explain
from convscope.engine.attribution.methods import find_method
from convscope.engine.attribution.target import ClassTarget, Targets
from convscope.engine.errors import MethodUnsupported
from tests.engine.reference import (
    RELUS,
    TARGETS,
    Inputs,
    Load,
    Modified,
    Rule,
    Shows,
    gradients_by,
    modified_gradient,
    rewritten,
)
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import FULL_SIZE, precise

RULES: dict[str, Rule] = {"deconvnet": "deconvnet", "guided_backprop": "guided"}
RELU: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "nn.Hardtanh": nn.Hardtanh(0, 6),
    "F.relu": F.relu,
    "F.relu in place": partial(F.relu, inplace=True),
    "F.relu in place by position": lambda x: F.relu(x, True),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: x.relu_(),
    "F.relu6": F.relu6,
    "F.relu6 in place": partial(F.relu6, inplace=True),
    "F.hardtanh": partial(F.hardtanh, min_val=0, max_val=6),
    "F.hardtanh by position": lambda x: F.hardtanh(x, 0, 6),
    "F.hardtanh in place": lambda x: F.hardtanh(x, 0.0, 6.0, True),
}
# The lecture's worked example.
X = torch.tensor([[1.0, -1, 5], [2, -5, -7], [-3, 2, 4]])
DL_DY = torch.tensor([[-2.0, 3, -1], [6, -3, 1], [2, -1, 3]])
WORKED = {
    "gradient": torch.tensor([[-2.0, 0, -1], [6, 0, 0], [0, -1, 3]]),
    "deconvnet": torch.tensor([[0.0, 3, 0], [6, 0, 1], [2, 0, 3]]),
    "guided_backprop": torch.tensor([[0.0, 0, 0], [6, 0, 0], [0, 0, 3]]),
}


class Weighed(nn.Module):
    """A score for each colour: the sum of its rectified pixels, times weights."""

    def __init__(self, relu: Callable[[Tensor], Tensor], weights: Tensor = DL_DY) -> None:
        super().__init__()
        self.relu = relu
        self.weights = weights

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = (self.relu(images * 1) * self.weights).sum(dim=(2, 3))
        return scores


@pytest.mark.parametrize("relu", RELU)
@pytest.mark.parametrize("method", WORKED)
def test_the_lectures_example_comes_out_digit_for_digit(method: str, relu: str) -> None:
    images = torch.zeros(1, 3, 3, 3)
    images[0, 1] = X
    found = attribute(Weighed(RELU[relu]), images, 1, method)
    expected = torch.zeros(1, 3, 3, 3)
    expected[0, 1] = WORKED[method]
    assert torch.equal(found, expected)


@pytest.mark.parametrize("relu", [name for name in RELU if "6" in name or "ardtanh" in name])
def test_where_a_relu6_is_full_deconvnet_passes_and_guided_backprop_does_not(relu: str) -> None:
    images = torch.tensor([-1.0, 3, 6, 7]).expand(1, 3, 1, 4)
    network = Weighed(RELU[relu], torch.ones(1, 4))
    assert attribute(network, images, 0, "gradient")[0, 0].tolist() == [[0, 1, 0, 0]]
    assert attribute(network, images, 0, "guided_backprop")[0, 0].tolist() == [[0, 1, 0, 0]]
    assert attribute(network, images, 0, "deconvnet")[0, 0].tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("method", RULES)
def test_a_hardtanh_that_is_no_relu_passes_by_its_derivative(method: str) -> None:
    def function(values: Tensor) -> Tensor:
        return F.hardtanh(F.relu(values), -1, 1)

    images = torch.tensor([0.5, 2.0]).expand(1, 3, 1, 2)
    found = attribute(Weighed(function, torch.ones(1, 2)), images, 0, method)
    assert found[0, 0].tolist() == [[1, 0]]


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("inplace", [False, True])
def test_a_module_that_runs_twice_has_the_rule_twice(inplace: bool, method: str) -> None:
    class Twice(Weighed):
        def forward(self, images: Tensor) -> Tensor:
            first = self.relu(images * 2)
            scores: Tensor = (self.relu(first * torch.tensor([1.0, -1, 1]) - 3) * self.weights).sum(dim=(2, 3))
            return scores

    def passed(x: Tensor, gradient: Tensor) -> Tensor:
        return gradient.clamp(min=0) * (torch.ones_like(x) if method == "deconvnet" else x > 0)

    sign = torch.tensor([1.0, -1, 1])
    expected = 2 * passed(2 * X, sign * passed((2 * X).clamp(min=0) * sign - 3, DL_DY))
    found = attribute(Twice(nn.ReLU(inplace=inplace)), X.expand(1, 3, 3, 3), 2, method)
    assert torch.equal(found[0, 2], expected)
    assert expected.any()


def test_guided_backprop_is_zero_where_the_rule_says_so() -> None:
    """Behind a ReLU on the pixels themselves nothing comes back below zero, and nothing where they are dark."""
    torch.manual_seed(8)
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    images = torch.randn(2, 3, 8, 8)
    found = attribute(network, images, 1, "guided_backprop")
    assert (found >= 0).all()
    assert not found[images <= 0].any()
    assert found[images > 0].any()
    assert attribute(network, images, 1, "deconvnet")[images <= 0].any()


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("network", RELUS)
def test_it_is_the_gradient_of_a_network_whose_relus_are_rewritten(
    network: str, method: str, load: Load, inputs: Inputs, modified: Modified
) -> None:
    found = attribute(*precise(network, load, inputs), TARGETS, method)
    assert_same_but_rounding(found, modified(network, RULES[method]))
    assert differs(modified(network, "deconvnet"), modified(network, "guided"))


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("network", FULL_SIZE)
def test_float32_at_full_size_is_as_good_but_for_single_relus(
    network: str, method: str, load: Load, inputs: Inputs
) -> None:
    """Where a ReLU's input is nearly 0, rounding decides: each pixel for itself may be off by more."""
    model = load(network)
    images = inputs(model)[:2]
    expected = gradients_by(RULES[method], model.module, images, relus=RELUS[network])
    found = attribute(model.module, images, TARGETS, method)
    assert found.dtype == torch.float32
    assert float((found - expected).norm() / expected.norm()) < 1e-2


def test_with_the_ordinary_rule_the_rewritten_network_has_the_ordinary_gradient(
    load: Load, shown: Shows, modified: Modified
) -> None:
    assert_same_but_rounding(modified("resnet18", "backprop"), torch.stack([one.pixels for one in shown("resnet18")]))


@pytest.mark.parametrize("method", RULES)
def test_batched_and_alone_give_the_same(method: str, load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    together = attribute(module, images, TARGETS, method)
    alone = [attribute(module, images[i : i + 1], TARGETS[i], method) for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


@pytest.mark.parametrize("method", RULES)
def test_a_network_without_relus_is_refused(method: str, load: Load, inputs: Inputs) -> None:
    model = load("vit_b_16")
    with pytest.raises(MethodUnsupported, match="no ReLU") as caught:
        attribute(model.module, inputs(model)[:1], 3, method)
    assert caught.value.field == "method"


def captums(method: str, module: nn.Module, images: Tensor) -> Tensor:
    kind = {"deconvnet": Deconvolution, "guided_backprop": GuidedBackprop}[method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it sets hooks
        found: Tensor = kind(module).attribute(images.clone().requires_grad_(), target=TARGETS).detach()
    return found


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("network", ["alexnet", "squeezenet1_1"])
def test_where_every_relu_is_a_module_that_runs_once_it_is_captums(
    network: str, method: str, load: Load, inputs: Inputs
) -> None:
    module, images = precise(network, load, inputs)
    assert_same_but_rounding(attribute(module, images, TARGETS, method), captums(method, module, images))


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("network", ["densenet121", "googlenet"])
def test_captum_misses_the_functional_relus(
    network: str, method: str, load: Load, inputs: Inputs, modified: Modified
) -> None:
    module, images = precise(network, load, inputs)
    images = images[:1]
    with rewritten(module, RULES[method], functional=False) as copy:
        without = modified_gradient(copy.module, images[0], TARGETS[0]).unsqueeze(0)
    kind = {"deconvnet": Deconvolution, "guided_backprop": GuidedBackprop}[method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        captum = kind(module).attribute(images.clone().requires_grad_(), target=TARGETS[0]).detach()
    assert_same_but_rounding(captum, without)
    assert differs(captum, modified(network, RULES[method])[:1])


@pytest.mark.parametrize("method", RULES)
def test_captum_leaves_relu6_as_it_is(method: str, load: Load, inputs: Inputs, shown: Shows) -> None:
    ordinary = torch.stack([one.pixels for one in shown("efficientnet_lite0")])
    assert_same_but_rounding(captums(method, *precise("efficientnet_lite0", load, inputs)), ordinary)


class Meeting(nn.Module):
    """A network in which two threads can be made to meet, before and behind a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.barrier: threading.Barrier | None = None

    def forward(self, images: Tensor) -> Tensor:
        self.meet()
        values = self.relu(images * 1)
        self.meet()
        scores: Tensor = (values * DL_DY).sum(dim=(2, 3))
        return scores

    def meet(self) -> None:
        if self.barrier is not None:
            self.barrier.wait(timeout=30)


@pytest.mark.parametrize("pair", [("guided_backprop", "gradient"), ("deconvnet", "guided_backprop")])
def test_a_rule_of_one_thread_does_not_touch_anothers_pass_through_the_same_modules(pair: tuple[str, str]) -> None:
    network, images = Meeting(), X.expand(1, 3, 3, 3)

    def answer(name: str) -> Tensor:
        method, parameters = find_method(name, {})
        return explain(Batch(network, images, Targets((ClassTarget((0,)),))), method, parameters).values[0, 0]

    answer("gradient")  # finds the layers
    network.barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for name, found in zip(pair, pool.map(answer, pair), strict=True):
            assert torch.equal(found, WORKED[name])


@pytest.mark.parametrize("method", RULES)
def test_afterwards_and_after_an_error_relus_are_ordinary_again(method: str) -> None:
    class Failing(Weighed):
        fails = True

        def forward(self, images: Tensor) -> Tensor:
            scores = super().forward(images)
            if self.fails and torch.is_grad_enabled():
                raise RuntimeError("out of memory, say")
            return scores

    network: Any = Failing(nn.ReLU())
    with pytest.raises(RuntimeError, match="out of memory, say"):
        attribute(network, X.expand(1, 3, 3, 3), 0, method)
    network.fails = False
    assert torch.equal(modified_gradient(network, X.expand(3, 3, 3), 0)[0], WORKED["gradient"])
    assert torch.equal(attribute(network, X.expand(1, 3, 3, 3), 0, method)[0, 0], WORKED[method])
    assert torch.equal(modified_gradient(network, X.expand(3, 3, 3), 0)[0], WORKED["gradient"])
