"""Integrated gradients share out the score's rise from an empty picture to this one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.integrated_gradients import gauss_legendre
from convscope.engine.attribution.target import ClassTarget, Target, UnitTarget
from convscope.engine.models.preprocessing import Preprocessing
from tests.engine.reference import TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import NETWORKS, precise, scanned

STEPS = 3


def paper(module: nn.Module, image: Tensor, start: Tensor, target: int, steps: int) -> Tensor:
    """Equation 1, the integral by Gauss-Legendre quadrature, one point of the path after the other: [3, H, W]."""
    total = torch.zeros(image.shape, dtype=torch.float64)
    for node, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):
        alpha = (node + 1) / 2
        point = (start + alpha * (image - start)).requires_grad_()
        (gradient,) = torch.autograd.grad(module(point.unsqueeze(0))[0, target], point)
        total += weight / 2 * gradient.double()
    return (image - start).double() * total


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_the_papers_integral_for_every_image_of_a_batch(network: str, load: Load, inputs: Inputs) -> None:
    # ViT has no ReLU, whose kinks precise() tells of.
    module, images = (scanned if network == "vit_b_16" else precise)(network, load, inputs)
    pairs = zip(images, TARGETS, strict=True)
    expected = torch.stack([paper(module, image, torch.zeros_like(image), target, STEPS) for image, target in pairs])
    assert_same_but_rounding(attribute(module, images, TARGETS, "integrated_gradients", steps=STEPS), expected)


@pytest.mark.parametrize("network", ["alexnet", "resnet18", "densenet121"])
def test_it_is_captums(network: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    captum = IntegratedGradients(module)
    values, delta = captum.attribute(
        images, target=TARGETS, n_steps=STEPS, method="gausslegendre", return_convergence_delta=True
    )
    found = attribute_fully(module, images, TARGETS, "integrated_gradients", steps=STEPS)
    assert_same_but_rounding(found.values, values)
    assert found.convergence_error is not None
    scale = found.values.abs().flatten(1).sum(dim=1)
    # Captum has its weights in float32.
    assert ((found.convergence_error - delta).abs() <= 1e-6 * scale).all()


@pytest.mark.parametrize("network", ["resnet18", "densenet121", "efficientnet_lite0"])
def test_batched_and_alone_give_the_same(network: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned(network, load, inputs)
    together = attribute_fully(module, images, TARGETS, "integrated_gradients", steps=STEPS)
    assert together.convergence_error is not None
    for row, target in enumerate(TARGETS):
        alone = attribute_fully(module, images[row : row + 1], target, "integrated_gradients", steps=STEPS)
        assert_same_but_rounding(alone.values, together.values[row : row + 1])
        assert alone.convergence_error is not None
        scale = float(alone.values.abs().sum())
        assert abs(float(alone.convergence_error - together.convergence_error[row])) <= 1e-5 * scale


@pytest.mark.parametrize("network", ["alexnet", "resnet18"])
def test_float32_is_as_good_but_for_rounding(network: str, load: Load, inputs: Inputs) -> None:
    """Where a ReLU's input is nearly 0, rounding decides: each place for itself may be off by more."""
    exact = attribute(*precise(network, load, inputs), TARGETS, "integrated_gradients", steps=STEPS)
    module, images = scanned(network, load, inputs)
    found = attribute(module, images, TARGETS, "integrated_gradients", steps=STEPS)
    assert found.dtype == torch.float32
    assert float((found - exact).norm() / exact.norm()) < 1e-3


@pytest.mark.parametrize("fill", ["zero", "grey"])
def test_the_sum_is_the_rise_but_for_the_convergence_error_which_goes_down(
    fill: str, load: Load, inputs: Inputs
) -> None:
    module, images = scanned("alexnet", load, inputs)
    preprocessing = Preprocessing()
    start = empty(fill, images, preprocessing)
    with torch.no_grad():
        rise = (module(images) - module(start)).gather(1, torch.tensor(TARGETS).view(2, 1)).squeeze(1)
    errors = []
    for steps in (2, 32):
        found = attribute_fully(
            module, images, TARGETS, "integrated_gradients", preprocessing=preprocessing, steps=steps, fill=fill
        )
        assert found.convergence_error is not None
        total = found.values.double().flatten(1).sum(dim=1)
        assert torch.allclose(total - found.convergence_error, rise.double(), atol=1e-5, rtol=0)
        errors.append(float(found.convergence_error.abs().mean()))
    # The gradient of a network of ReLUs jumps along the path, so that the error goes down no faster than 1 / steps.
    assert errors[1] < errors[0] / 5
    assert errors[1] < float(rise.abs().mean()) / 5


def test_without_kinks_the_error_is_gone_with_few_steps() -> None:
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.GELU(), nn.Flatten(), nn.Linear(128, 5)
    )
    network.double().eval()
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    errors = []
    for steps in (1, 2, 4, 8, 16):
        error = attribute_fully(network, images, 1, "integrated_gradients", steps=steps).convergence_error
        assert error is not None
        errors.append(float(error.abs().max()))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-3
    assert errors[-1] < 1e-9


def test_of_a_smooth_network_few_steps_are_exact() -> None:
    """Gauss-Legendre integrates a polynomial of degree 2 n - 1 without an error."""

    class Cubic(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1).pow(3).sum(dim=1, keepdim=True)

    images = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = attribute_fully(Cubic(), images, 0, "integrated_gradients", steps=2)
    assert torch.allclose(found.values, images.pow(3))
    assert found.convergence_error is not None
    assert float(found.convergence_error.abs().max()) < 1e-12


def empty(fill: str, images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The picture that a path begins at, as the parameter's documentation says."""
    if fill == "zero":
        return torch.zeros_like(images)
    if fill == "grey":
        mean, std = (images.new_tensor(three).view(1, 3, 1, 1) for three in (preprocessing.mean, preprocessing.std))
        return ((torch.full_like(images, 127.5) / 255) - mean) / std
    if fill == "mean":
        return images.flatten(2).mean(dim=2)[:, :, None, None].expand_as(images)
    # A Gaussian of a twelfth of the shorter side, cut off at three deviations, mirrored at the border.
    sigma = min(images.shape[2:]) / 12
    reach = int(3 * sigma)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    bell = (bell / bell.sum()).to(images)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    across = sum(bell[i] * padded[:, :, :, i : i + images.shape[3]] for i in range(2 * reach + 1))
    assert isinstance(across, Tensor)
    down = sum(bell[i] * across[:, :, i : i + images.shape[2]] for i in range(2 * reach + 1))
    assert isinstance(down, Tensor)
    return down


@pytest.mark.parametrize("fill", ["zero", "grey", "mean", "blur"])
def test_the_path_begins_at_the_fill(fill: str, load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    preprocessing = Preprocessing(mean=(0.3, 0.4, 0.5), std=(0.2, 0.3, 0.4))
    starts = empty(fill, images, preprocessing)
    expected = torch.stack(
        [paper(module, image, start, t, STEPS) for image, start, t in zip(images, starts, TARGETS, strict=True)]
    )
    found = attribute_fully(
        module, images, TARGETS, "integrated_gradients", preprocessing=preprocessing, steps=STEPS, fill=fill
    )
    assert_same_but_rounding(found.values, expected)


@pytest.mark.parametrize("color", [(0.1, 0.5, 1.0), [0.0, 1.0, 0.25], (0, 0, 1)], ids=str)
def test_the_path_may_begin_at_a_colour(color: tuple[float, ...], load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    mean, std = (0.3, 0.4, 0.5), (0.2, 0.3, 0.4)
    channels = [(shade - m) / s for shade, m, s in zip(color, mean, std, strict=True)]
    start = images.new_tensor(channels).view(3, 1, 1).expand_as(images[0])
    expected = paper(module, images[0], start, TARGETS[0], STEPS).unsqueeze(0)
    found = attribute_fully(
        module,
        images[:1],
        TARGETS[:1],
        "integrated_gradients",
        preprocessing=Preprocessing(mean=mean, std=std),
        steps=STEPS,
        fill="blur",
        fill_color=color,
    )
    assert_same_but_rounding(found.values, expected)
    elsewhere = attribute(module, images[:1], TARGETS[:1], "integrated_gradients", steps=STEPS, fill_color=color)
    assert differs(elsewhere, found.values)


class Read(nn.Module):
    """Has for its only score what a target says."""

    def __init__(self, network: nn.Module, read: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.read = network, read

    def forward(self, images: Tensor) -> Tensor:
        return self.read(self.network, images).unsqueeze(1)


def unit(network: nn.Module, images: Tensor) -> Tensor:
    for name in range(6):
        images = network.get_submodule(f"features.{name}")(images)
    return images[:, 7].mean(dim=(1, 2))


def difference(network: nn.Module, images: Tensor) -> Tensor:
    probabilities = network(images).softmax(dim=1)
    found: Tensor = probabilities[:, 281] + probabilities[:, 282] - probabilities[:, 3]
    return found


@pytest.mark.parametrize(
    ("target", "read"),
    [(UnitTarget("features.5", 7), unit), (ClassTarget((281, 282), (3,), "probability"), difference)],
    ids=["unit", "difference"],
)
def test_a_unit_and_a_difference_of_probabilities_are_explained_like_a_score(
    target: Target, read: Callable[[nn.Module, Tensor], Tensor], load: Load, inputs: Inputs
) -> None:
    module, images = precise("alexnet", load, inputs)
    expected = [paper(Read(module, read), image, torch.zeros_like(image), 0, STEPS) for image in images]
    found = attribute(module, images, target, "integrated_gradients", steps=STEPS)
    assert_same_but_rounding(found, torch.stack(expected))


def test_without_a_target_the_class_of_the_picture_is_explained_all_the_way(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    with torch.no_grad():
        top = module(images).argmax(dim=1).tolist()
        at_the_start = module(torch.zeros_like(images)).argmax(dim=1).tolist()
    assert top != at_the_start
    found = attribute_fully(module, images, None, "integrated_gradients", steps=STEPS)
    assert found.targets.each == tuple(ClassTarget((index,)) for index in top)
    assert torch.equal(found.values, attribute(module, images, top, "integrated_gradients", steps=STEPS))


@pytest.mark.parametrize("fill", ["zero", "grey", "mean", "blur"])
def test_a_picture_of_one_colour_has_a_finite_answer(fill: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned("resnet18", load, inputs)
    found = attribute_fully(module, torch.zeros_like(images[:1]), 3, "integrated_gradients", steps=2, fill=fill)
    assert found.values.isfinite().all()
    assert found.convergence_error is not None
    assert found.convergence_error.isfinite().all()
    # Only from half way between black and white is there a way to go.
    assert bool(found.values.any()) == (fill == "grey")


@pytest.mark.parametrize("count", [1, 2, 3, 50, 301])
def test_places_and_weights_are_those_of_numpy(count: int) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    places, shares = gauss_legendre(count)
    assert np.allclose(places, (nodes + 1) / 2, rtol=0, atol=1e-14)
    assert np.allclose(shares, weights / 2, rtol=1e-9, atol=0)


def test_ten_thousand_places_integrate_a_polynomial_of_high_degree() -> None:
    places, shares = gauss_legendre(10_000)
    assert (np.diff(places) > 0).all()
    assert places[0] > 0
    assert places[-1] < 1
    for power in (0, 1, 500):
        assert abs(float(shares @ places**power) * (power + 1) - 1) < 1e-11
