"""Guided Grad-CAM is guided backprop where Grad-CAM sees evidence."""

import warnings
from typing import Any

import pytest
import torch
from captum.attr import GuidedGradCam
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.errors import MethodUnsupported
from tests.engine.reference import (
    RELUS,
    SUGGESTED,
    TARGETS,
    Inputs,
    Load,
    Modified,
    Shown,
    Shows,
    assert_same_where_there_is_evidence,
    gradients_by,
)
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import FULL_SIZE, precise


def grad_cam(shown: Shown) -> Tensor:
    """[h, w], with its ReLU."""
    alpha = shown.gradient.double().mean(dim=(1, 2))
    return torch.einsum("k,khw->hw", alpha, shown.activation.double()).clamp(min=0)


def stretching(small: int, large: int) -> Tensor:
    """What each of `large` places takes of each of `small` by linear interpolation between their centres."""
    taken = torch.zeros(large, small, dtype=torch.float64)
    for place in range(large):
        centre = min(max((place + 0.5) * small / large - 0.5, 0), small - 1)
        before = int(centre)
        after = min(before + 1, small - 1)
        taken[place, before] += 1 - (centre - before)
        taken[place, after] += centre - before
    return taken


def paper(guided: Tensor, shown: Shown) -> Tensor:
    cam = grad_cam(shown)
    (height, width), (rows, columns) = guided.shape[1:], cam.shape
    return guided * (stretching(rows, height) @ cam @ stretching(columns, width).T)


def captums(module: nn.Module, layer: str, images: Tensor, **options: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it sets hooks
        captum = GuidedGradCam(module, module.get_submodule(layer))
        found: Tensor = captum.attribute(images.clone().requires_grad_(), target=TARGETS, **options).detach()
    return found


@pytest.mark.parametrize("network", RELUS)
def test_it_is_guided_backprop_times_the_map_stretched_over_the_image(
    network: str, load: Load, inputs: Inputs, shown: Shows, modified: Modified
) -> None:
    module, images = precise(network, load, inputs)
    expected = [paper(*pair) for pair in zip(modified(network, "guided"), shown(network), strict=True)]
    found = attribute(module, images, TARGETS, "guided_grad_cam")
    assert found.shape == images.shape
    assert_same_where_there_is_evidence(found, torch.stack(expected))


@pytest.mark.parametrize("network", FULL_SIZE)
def test_float32_at_full_size_is_as_good_but_for_single_relus(
    network: str, load: Load, inputs: Inputs, shown_at_full_size: Shows
) -> None:
    """Where a ReLU's input is nearly 0, rounding decides: each pixel for itself may be off by more."""
    model = load(network)
    images = inputs(model)[:2]
    guided = gradients_by("guided", model.module, images, relus=RELUS[network])
    expected = torch.stack([paper(*pair) for pair in zip(guided, shown_at_full_size(network), strict=True)])
    found = attribute(model.module, images, TARGETS, "guided_grad_cam")
    assert found.dtype == torch.float32
    assert expected.any()
    assert float((found - expected).norm() / expected.norm()) < 1e-2


def test_a_network_without_relus_is_refused(load: Load, inputs: Inputs) -> None:
    model = load("vit_b_16")
    with pytest.raises(MethodUnsupported, match="no ReLU"):
        attribute(model.module, inputs(model)[:1], 3, "guided_grad_cam")


@pytest.mark.parametrize(("network", "layer"), [("alexnet", "features.11"), ("squeezenet1_1", "features.11")])
def test_it_is_captums_stretched_bilinearly(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    expected = captums(module, layer, images, interpolate_mode="bilinear")
    found = attribute(module, images, TARGETS, "guided_grad_cam", layer=layer)
    assert_same_where_there_is_evidence(found, expected)


def test_captum_repeats_the_nearest_place_unless_asked(load: Load, inputs: Inputs) -> None:
    module, images = precise("alexnet", load, inputs)
    nearest = captums(module, SUGGESTED["alexnet"], images)
    assert differs(attribute(module, images, TARGETS, "guided_grad_cam"), nearest)


def test_another_layer_may_be_looked_at_than_the_suggested_one(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:1]
    found = attribute(model.module, images, 281, "guided_grad_cam", layer="blocks.5")
    guided = attribute(model.module, images, 281, "guided_backprop")
    (cam,) = attribute(model.module, images, 281, "grad_cam", layer="blocks.5").double()
    height, width = images.shape[2:]
    stretched = stretching(cam.shape[1], height) @ cam[0] @ stretching(cam.shape[2], width).T
    assert_same_but_rounding(found, guided * stretched)
    assert differs(found, attribute(model.module, images, 281, "guided_grad_cam"))


def test_batched_and_alone_give_the_same(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:2]
    together = attribute(model.module, images, TARGETS, "guided_grad_cam")
    alone = [attribute(model.module, images[i : i + 1], TARGETS[i], "guided_grad_cam") for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)
