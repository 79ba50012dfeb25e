"""The gradient by the pixels, as it is and times the input."""

import pytest
import torch
from captum.attr import InputXGradient
from torch import Tensor, nn

from convscope.engine import attribute
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load, Shows
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import FULL_SIZE, precise

METHODS = ("gradient", "input_x_gradient")


@pytest.fixture
def linear() -> nn.Module:
    """Five scores, each a weighted sum of the pixels and a constant."""
    torch.manual_seed(4)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 5))
    return network.double().eval()


@pytest.fixture
def pictures() -> Tensor:
    return torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("network", SUGGESTED)
def test_it_is_the_derivative_by_every_colour_of_every_pixel(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    expected = torch.stack([one.pixels for one in shown(network)])
    found = attribute(module, images, TARGETS, "gradient")
    assert found.shape == images.shape
    assert (found < 0).any()
    assert (found > 0).any()
    assert_same_but_rounding(found, expected)


@pytest.mark.parametrize("network", SUGGESTED)
def test_times_the_input_it_is_the_product_with_what_the_network_was_given(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    expected = torch.stack([image * one.pixels for image, one in zip(images, shown(network), strict=True)])
    assert_same_but_rounding(attribute(module, images, TARGETS, "input_x_gradient"), expected)


@pytest.mark.parametrize("network", FULL_SIZE)
def test_times_the_input_it_is_captums(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    expected = InputXGradient(model.module).attribute(images.clone().requires_grad_(), target=TARGETS)
    assert_same_but_rounding(attribute(model.module, images, TARGETS, "input_x_gradient"), expected.detach())


@pytest.mark.parametrize("method", METHODS)
def test_batched_and_alone_give_the_same(method: str, load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    together = attribute(module, images, TARGETS, method)
    alone = [attribute(module, images[i : i + 1], TARGETS[i], method) for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


def test_of_a_linear_network_it_is_its_weights_whatever_the_picture(linear: nn.Module, pictures: Tensor) -> None:
    one_hot = torch.eye(192, dtype=torch.float64).view(192, 3, 8, 8)
    with torch.no_grad():
        weights = linear(one_hot) - linear(torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    found = attribute(linear, pictures, [0, 4, 2], "gradient")
    torch.testing.assert_close(found, weights[:, [0, 4, 2]].T.view(3, 3, 8, 8), rtol=0, atol=1e-14)


def test_of_a_linear_network_the_taylor_expansion_is_exact(linear: nn.Module, pictures: Tensor) -> None:
    """S(x) = <w, x> + b with b = S(0): the terms add up to the score but for its constant."""
    with torch.no_grad():
        scores, constant = linear(pictures), linear(torch.zeros_like(pictures))
    terms = attribute(linear, pictures, [0, 4, 2], "input_x_gradient")
    rows, classes = [0, 1, 2], [0, 4, 2]
    expected = scores[rows, classes] - constant[rows, classes]
    torch.testing.assert_close(terms.sum(dim=(1, 2, 3)), expected, rtol=0, atol=1e-13)


def test_of_a_bent_network_it_is_the_best_linear_model_nearby(pictures: Tensor) -> None:
    """S(x + d) = S(x) + <w, d> + O(|d|^2): ten times nearer misses a hundred times less."""
    torch.manual_seed(6)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(144, 5)).double().eval()
    weights = attribute(network, pictures, 2, "gradient")
    direction = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def missed(step: float) -> Tensor:
        with torch.no_grad():
            rise = network(pictures + step * direction)[:, 2] - network(pictures)[:, 2]
        error: Tensor = (rise - step * (weights * direction).sum(dim=(1, 2, 3))).abs()
        return error

    ratio = missed(1e-2) / missed(1e-3)
    torch.testing.assert_close(ratio, torch.full_like(ratio, 100), rtol=0.1, atol=0)


def test_every_image_is_explained_for_its_own_target(linear: nn.Module, pictures: Tensor) -> None:
    found = attribute(linear, pictures[:1].expand(3, -1, -1, -1), [1, 3, 1], "gradient")
    assert differs(found[0], found[1])
    assert torch.equal(found[0], found[2])
