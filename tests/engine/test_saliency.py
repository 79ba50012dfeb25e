"""Saliency is the largest gradient of the class score by the colours of a pixel."""

import pytest
import torch
import torch.nn.functional as F
from captum.attr import Saliency
from torch import Tensor, nn

from convscope.engine import attribute
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load, Shows, show
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import SIZE, for_peers, precise

FEW = ("alexnet", "densenet121", "efficientnet_lite0")


def paper(gradient: Tensor) -> Tensor:
    """Section 3.1: rearrange the derivative [3, H, W] by colour and take the largest magnitude at each place."""
    red, green, blue = gradient
    return torch.maximum(torch.maximum(red.abs(), green.abs()), blue.abs()).unsqueeze(0)


@pytest.mark.parametrize("network", SUGGESTED)
def test_it_is_the_papers_map_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    found = attribute(module, images, TARGETS, "saliency")
    assert found.shape == (2, 1, *images.shape[2:])
    assert_same_but_rounding(found, torch.stack([paper(one.pixels) for one in shown(network)]))


@pytest.mark.parametrize("network", [*FEW, "resnet18"])
def test_it_is_captums_with_the_largest_channel_taken(network: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    captum = Saliency(module).attribute(images.clone().requires_grad_(), target=TARGETS)
    assert_same_but_rounding(attribute(module, images, TARGETS, "saliency"), captum.amax(dim=1, keepdim=True))


@pytest.mark.parametrize("network", FEW)
def test_with_its_sign_it_is_the_channel_whose_gradient_is_largest(network: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    images = images[:1]
    found = attribute(module, images, TARGETS[:1], "saliency", abs=False)
    (captum,) = Saliency(module).attribute(images.clone().requires_grad_(), target=TARGETS[:1], abs=False)
    red, green, blue = captum
    expected = torch.where(red.abs() >= green.abs(), red, green)
    expected = torch.where(expected.abs() >= blue.abs(), expected, blue)
    assert (expected < 0).any()
    assert (expected > 0).any()
    assert_same_but_rounding(found, expected.view(1, 1, *expected.shape))


@pytest.mark.parametrize("network", FEW)
def test_batched_and_alone_give_the_same(network: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    together = attribute(module, images, TARGETS, "saliency")
    alone = [attribute(module, images[i : i + 1], TARGETS[i], "saliency") for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


def test_every_image_is_explained_for_its_own_target(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    cat = inputs(model)[:1].expand(3, -1, -1, -1)
    found = attribute(model.module, cat, [281, 3, 281], "saliency")
    assert differs(found[0], found[1])
    assert_same_but_rounding(found[2:], found[:1])


def test_without_a_target_the_top_class_of_each_image_is_explained(load: Load, inputs: Inputs) -> None:
    module, _ = precise("efficientnet_lite0", load, inputs)
    images = F.interpolate(inputs(load("efficientnet_lite0")).double(), SIZE, mode="bilinear", antialias=True)
    with torch.no_grad():
        top = [int(module(image.unsqueeze(0)).argmax()) for image in images]
    assert len(set(top)) == 3
    pairs = zip(images, top, strict=True)
    expected = torch.stack([paper(show(module, "head", image, target).pixels) for image, target in pairs])
    assert_same_but_rounding(attribute(module, images, None, "saliency"), expected)


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
    assert_same_but_rounding(attribute(network, image, 4, "saliency"), slopes.abs().amax(dim=0).view(1, 1, 7, 7))
