"""Grad-CAM++ weighs each place of a channel by what the score's higher derivatives say of it."""

import pytest
import torch
from pytorch_grad_cam import GradCAMPlusPlus
from torch import Tensor, nn
from torchcam.methods import GradCAMpp

from convscope.engine import attribute
from convscope.engine.attribution.target import ClassTarget
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load, Shown, Shows
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import precise


def paper(shown: Shown) -> Tensor:
    """Equations 19, 18 and 10, channel by channel: [1, h, w]."""
    total = torch.zeros(shown.activation.shape[1:], dtype=torch.float64)
    for activation, gradient in zip(shown.activation.double(), shown.gradient.double(), strict=True):
        second, third = gradient**2, gradient**3
        denominator = 2 * second + activation.sum() * third
        alpha = torch.where(gradient == 0, 0, second / denominator)
        total += (alpha * gradient.clamp(min=0)).sum() * activation
    return total.unsqueeze(0)


@pytest.mark.parametrize("network", SUGGESTED)
def test_it_is_the_papers_map_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    module, images = precise(network, load, inputs)
    expected = torch.stack([paper(one) for one in shown(network)])
    signed = attribute(module, images, TARGETS, "grad_cam_plus_plus", relu=False)
    assert_same_but_rounding(signed, expected)


def test_it_is_what_the_derivatives_of_the_exponential_of_the_score_say() -> None:
    """Equations 7 to 13 with Y = exp(S), by autograd to the third derivative; ReLUs have no curvature of their own."""
    torch.manual_seed(1)
    head = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5))
    network = nn.Sequential(nn.Conv2d(3, 3, 3), head).double().eval()
    image = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    activation = network[0](image).detach().requires_grad_()
    output = head(activation)[0, 2].exp()
    (first,) = torch.autograd.grad(output, activation, create_graph=True)
    second, third = torch.zeros(27, dtype=torch.float64), torch.zeros(27, dtype=torch.float64)
    for place, slope in enumerate(first.flatten()):
        (row,) = torch.autograd.grad(slope, activation, create_graph=True)
        second[place] = row.flatten()[place].detach()
        (row,) = torch.autograd.grad(row.flatten()[place], activation, retain_graph=True)
        third[place] = row.flatten()[place]
    sums = activation.detach().sum(dim=(2, 3)).view(3, 1)
    slopes, second, third = first.detach().view(3, 9), second.view(3, 9), third.view(3, 9)
    alpha = torch.where(second == 0, 0, second / (2 * second + sums * third))
    weights = (alpha * slopes.clamp(min=0)).sum(dim=1) / output.detach()
    expected = torch.einsum("k,khw->hw", weights, activation.detach()[0])
    found = attribute(network, image, 2, "grad_cam_plus_plus", layer="0", relu=False)
    torch.testing.assert_close(found, expected.view(1, 1, 3, 3), rtol=1e-10, atol=0)


def test_small_gradients_whose_powers_float32_does_not_have_count_as_the_formula_says() -> None:
    torch.manual_seed(2)
    classifier = nn.Linear(144, 5)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), classifier).eval()
    with torch.no_grad():
        classifier.weight *= 1e-20
    image = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        activation = network[1](network[0](image))[0]
    shown = Shown(image, activation, classifier.weight[3].detach().view(4, 6, 6))
    assert not (shown.gradient**3).any()
    found = attribute(network, image, 3, "grad_cam_plus_plus", layer="1")
    assert_same_but_rounding(found, paper(shown).unsqueeze(0))


def test_a_channel_without_a_gradient_has_no_weight(load: Load, inputs: Inputs) -> None:
    """The difference of a class from itself depends on nothing."""
    model = load("resnet18")
    found = attribute(model.module, inputs(model)[:1], ClassTarget((3,), (3,)), "grad_cam_plus_plus")
    assert not found.any()


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0"])
def test_its_weights_are_pytorch_grad_cams_but_for_a_summand_against_division_by_zero(
    network: str, shown: Shows
) -> None:
    """That adds 1e-6 to a denominator of the size of g^2, so g must be large; g / c and c A have the same alpha."""
    large = 1e9
    for one in shown(network):
        activation, gradient = one.activation.double() / large, one.gradient.double() * large
        arrays = activation.unsqueeze(0).numpy(), gradient.unsqueeze(0).numpy()
        weights = torch.from_numpy(GradCAMPlusPlus.get_cam_weights(None, None, None, None, *arrays)[0]) / large
        cam = torch.einsum("k,khw->hw", weights, one.activation.double())
        assert_same_but_rounding(cam.unsqueeze(0), paper(one))


def test_torchcams_loses_its_alpha_and_weighs_by_the_cube_of_the_gradient(
    load: Load, inputs: Inputs, shown: Shows
) -> None:
    """It divides a copy: `alpha[mask].div_()`. What is left is w_k = sum_ij g^2 ReLU(g)."""
    module, images = precise("resnet18", load, inputs)
    with GradCAMpp(module, "layer4") as extractor:
        scores = module(images.clone().requires_grad_())
        (torchcam,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    cubes = [
        torch.einsum("k,khw->hw", (one.gradient.double().clamp(min=0) ** 3).sum(dim=(1, 2)), one.activation.double())
        for one in shown("resnet18")
    ]
    assert_same_but_rounding(torchcam.detach(), torch.stack(cubes))
    found = attribute(module, images, TARGETS, "grad_cam_plus_plus")[:, 0]
    assert differs(found / found.amax(), torchcam.detach() / torchcam.amax())


def test_batched_and_alone_give_the_same(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:2]
    together = attribute(model.module, images, TARGETS, "grad_cam_plus_plus")
    alone = [attribute(model.module, images[i : i + 1], TARGETS[i], "grad_cam_plus_plus") for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)
