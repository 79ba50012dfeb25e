"""Saliency is the gradient of the class score by the pixels."""

from collections.abc import Callable

import pytest
import torch
from captum.attr import Saliency
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.models.model import Model
from tests.engine.rounding import assert_same_but_rounding, differs

NETWORKS = ("alexnet", "vgg16", "resnet18", "resnet101", "densenet121", "efficientnet_lite0")
TARGETS = [281, 3]

Load = Callable[[str], Model]
Inputs = Callable[[Model], Tensor]


@pytest.fixture(params=NETWORKS)
def model(request: pytest.FixtureRequest, load: Load) -> Model:
    return load(request.param)


@pytest.fixture
def images(model: Model, inputs: Inputs) -> Tensor:
    return inputs(model)[:2]


def gradient_of_one(module: nn.Module, image: Tensor, target: int) -> Tensor:
    """dS/dI for one image [3, H, W], by an ordinary backward pass."""
    pixels = image.clone().requires_grad_()
    scores = module(pixels.unsqueeze(0))
    scores[0, target].backward()
    assert pixels.grad is not None
    return pixels.grad


def paper(module: nn.Module, image: Tensor, target: int) -> Tensor:
    """Section 3.1: rearrange the derivative by colour and take the largest magnitude at each place."""
    red, green, blue = gradient_of_one(module, image, target)
    return torch.maximum(torch.maximum(red.abs(), green.abs()), blue.abs())


def test_it_is_the_papers_map_for_every_image_of_a_batch(model: Model, images: Tensor) -> None:
    expected = torch.stack([paper(model.module, image, target) for image, target in zip(images, TARGETS, strict=True)])
    found = attribute(model.module, images, TARGETS, "saliency")
    assert found.shape == (2, model.preprocessing.height, model.preprocessing.width)
    assert_same_but_rounding(found, expected)


def test_it_is_captums_with_the_largest_channel_taken(model: Model, images: Tensor) -> None:
    captum = Saliency(model.module).attribute(images.clone().requires_grad_(), target=TARGETS)
    assert_same_but_rounding(attribute(model.module, images, TARGETS, "saliency"), captum.amax(dim=1))


def test_with_its_sign_it_is_the_channel_whose_gradient_is_largest(model: Model, images: Tensor) -> None:
    found = attribute(model.module, images[:1], TARGETS[:1], "saliency", abs=False)
    (captum,) = Saliency(model.module).attribute(images[:1].clone().requires_grad_(), target=TARGETS[:1], abs=False)
    red, green, blue = captum
    expected = torch.where(red.abs() >= green.abs(), red, green)
    expected = torch.where(expected.abs() >= blue.abs(), expected, blue)
    assert (expected < 0).any()
    assert (expected > 0).any()
    assert_same_but_rounding(found, expected.unsqueeze(0))


def test_batched_and_alone_give_the_same(model: Model, images: Tensor) -> None:
    together = attribute(model.module, images, TARGETS, "saliency")
    alone = [attribute(model.module, images[i : i + 1], TARGETS[i], "saliency") for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


def test_every_image_is_explained_for_its_own_target(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    cat = inputs(model)[:1].expand(3, -1, -1, -1)
    found = attribute(model.module, cat, [281, 3, 281], "saliency")
    assert differs(found[0], found[1])
    assert_same_but_rounding(found[2:], found[:1])


def test_without_a_target_the_top_class_of_each_image_is_explained(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)
    with torch.no_grad():
        top = [int(model.module(image.unsqueeze(0)).argmax()) for image in images]
    assert len(set(top)) == 3
    expected = torch.stack([paper(model.module, image, target) for image, target in zip(images, top, strict=True)])
    assert_same_but_rounding(attribute(model.module, images, None, "saliency"), expected)


def test_it_is_what_moving_each_pixel_by_a_little_does_to_the_score() -> None:
    torch.manual_seed(5)
    # Smooth, so that differences are exact to the square of the step.
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 5)
    )
    network = network.double().eval()
    image = torch.randn(1, 3, 7, 7, dtype=torch.float64)
    step = 1e-5
    slopes = torch.zeros(3, 7, 7, dtype=torch.float64)
    with torch.no_grad():
        for place in torch.cartesian_prod(torch.arange(3), torch.arange(7), torch.arange(7)).tolist():
            nudge = torch.zeros_like(image)
            nudge[0, place[0], place[1], place[2]] = step
            rise = network(image + nudge)[0, 4] - network(image - nudge)[0, 4]
            slopes[place[0], place[1], place[2]] = rise / (2 * step)
    assert_same_but_rounding(attribute(network, image, 4, "saliency"), slopes.abs().amax(dim=0, keepdim=True))
