"""SmoothGrad and VarGrad are mean and variance of a gradient method over noisy copies of the picture."""

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.noise import GRADIENT_METHODS
from convscope.engine.attribution.pass_methods import PASS_METHODS
from convscope.engine.attribution.target import ClassTarget
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import NETWORKS, precise, scanned

SAMPLES = 3
STDEV = 0.2
SEED = 5


def noisy(image: Tensor, stdev: float, seed: int, sample: int) -> Tensor:
    """Section 2: the standard deviation is a share of x_max - x_min."""
    noise = np.random.default_rng((seed, sample)).standard_normal(image.shape, dtype=np.float32)
    return image + stdev * (image.max() - image.min()) * torch.from_numpy(noise).to(image)


def gradient(module: nn.Module, image: Tensor, target: int) -> Tensor:
    pixels = image.clone().requires_grad_()
    (found,) = torch.autograd.grad(module(pixels.unsqueeze(0))[0, target], pixels)
    return found.double()


def gradients(module: nn.Module, image: Tensor, target: int, seed: int = SEED) -> Tensor:
    """Of each noisy copy, one after the other: [samples, 3, H, W]."""
    return torch.stack([gradient(module, noisy(image, STDEV, seed, n), target) for n in range(SAMPLES)])


@pytest.mark.parametrize("network", NETWORKS)
def test_they_are_the_papers_mean_and_variance_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs
) -> None:
    # ViT has no ReLU, whose kinks precise() tells of.
    module, images = (scanned if network == "vit_b_16" else precise)(network, load, inputs)
    each = [gradients(module, image, target) for image, target in zip(images, TARGETS, strict=True)]
    parameters = {"samples": SAMPLES, "stdev": STDEV, "seed": SEED}
    mean = torch.stack([one.sum(dim=0) / SAMPLES for one in each])
    assert_same_but_rounding(attribute(module, images, TARGETS, "smooth_grad", **parameters), mean)
    variance = torch.stack([(one - one.mean(dim=0)).square().sum(dim=0) / SAMPLES for one in each])
    assert_same_but_rounding(attribute(module, images, TARGETS, "var_grad", **parameters), variance)


@pytest.mark.parametrize("network", ["alexnet", "resnet18"])
@pytest.mark.parametrize("method", ["smooth_grad", "var_grad"])
def test_float32_is_as_good_but_for_rounding(method: str, network: str, load: Load, inputs: Inputs) -> None:
    """Where a ReLU's input is nearly 0, rounding decides: each place for itself may be off by more."""
    exact = attribute(*precise(network, load, inputs), TARGETS, method, samples=SAMPLES)
    module, images = scanned(network, load, inputs)
    found = attribute(module, images, TARGETS, method, samples=SAMPLES)
    assert found.dtype == torch.float32
    assert float((found - exact).norm() / exact.norm()) < 1e-3


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0"])
def test_a_method_that_looks_at_a_layer_is_smoothed_too(network: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    image, layer = images[0], SUGGESTED[network]
    copies = torch.stack([noisy(image, STDEV, SEED, sample) for sample in range(SAMPLES)])
    maps = attribute(module, copies, TARGETS[0], "layer_cam", layer=layer).double()
    asked: dict[str, Any] = {
        "base_method": "layer_cam",
        "layer": layer,
        "samples": SAMPLES,
        "stdev": STDEV,
        "seed": SEED,
    }
    found = attribute(module, images[:1], TARGETS[0], "smooth_grad", **asked)
    assert_same_but_rounding(found, maps.mean(dim=0, keepdim=True))
    found = attribute(module, images[:1], TARGETS[0], "var_grad", **asked)
    assert_same_but_rounding(found, maps.var(dim=0, correction=0, keepdim=True))


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_every_gradient_method_is_smoothed_in_its_own_shape(method: str, load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    with torch.no_grad():
        top = int(module(images[:1]).argmax())  # for which there is evidence
    copies = torch.stack([noisy(images[0], 0.15, 0, sample) for sample in range(SAMPLES)])
    maps = attribute(module, copies, top, method).double()
    found = attribute(module, images[:1], top, "smooth_grad", base_method=method, samples=SAMPLES)
    assert_same_but_rounding(found, maps.mean(dim=0, keepdim=True))
    found = attribute(module, images[:1], top, "var_grad", base_method=method, samples=SAMPLES)
    assert_same_but_rounding(found, maps.var(dim=0, correction=0, keepdim=True))
    assert (found >= 0).all()


def test_the_gradient_methods_are_those_that_look_at_a_gradient() -> None:
    assert set(PASS_METHODS) - set(GRADIENT_METHODS) == {"eigen_cam", "attention_rollout"}


@pytest.mark.parametrize("method", ["smooth_grad", "var_grad"])
def test_batched_and_alone_give_the_same(method: str, load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    together = attribute(module, images, TARGETS, method, samples=SAMPLES)
    alone = [attribute(module, images[row : row + 1], TARGETS[row], method, samples=SAMPLES) for row in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


def test_with_hardly_any_noise_the_mean_is_the_method_and_the_variance_nothing(load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    expected = attribute(module, images, TARGETS, "gradient")
    found = attribute(module, images, TARGETS, "smooth_grad", samples=SAMPLES, stdev=1e-12)
    assert_same_but_rounding(found, expected)
    variance = attribute(module, images, TARGETS, "var_grad", samples=SAMPLES, stdev=1e-12)
    assert (variance >= 0).all()
    assert float(variance.max()) < 1e-10 * float(expected.abs().max()) ** 2


@pytest.mark.parametrize("method", ["smooth_grad", "var_grad"])
def test_the_seed_decides(method: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned("resnet18", load, inputs)

    def answer(seed: int) -> Tensor:
        return attribute(module, images[:1], 3, method, samples=SAMPLES, seed=seed)

    before = torch.random.get_rng_state()
    first = answer(0)
    assert torch.equal(answer(0), first)
    # 4096 is 0 in the low bits, which is all of a seed that some generators look at.
    for other in (1, 4096, 2**31 - 1):
        assert differs(answer(other), first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_picture_of_one_colour_has_no_range_and_so_no_noise(load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    flat = torch.full_like(images[:1], 0.7)
    found = attribute(module, flat, 3, "smooth_grad", samples=SAMPLES)
    assert_same_but_rounding(found, attribute(module, flat, 3, "gradient"))
    assert float(attribute(module, flat, 3, "var_grad", samples=SAMPLES).max()) < 1e-12


def test_the_answer_tells_what_the_clean_picture_scores(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    clean = attribute_fully(module, images, None, "gradient")
    for method in ("smooth_grad", "var_grad"):
        found = attribute_fully(module, images, None, method, samples=2, stdev=1.0)
        assert torch.equal(found.scores, clean.scores)
        assert torch.equal(found.explained, clean.explained)
        assert found.targets == clean.targets


def test_the_class_is_that_of_the_clean_picture_however_strong_the_noise(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    with torch.no_grad():
        top = [int(index) for index in module(images).argmax(dim=1)]
        copies = torch.stack([noisy(images[0], 1.0, 0, sample) for sample in range(SAMPLES)])
        assert (module(copies).argmax(dim=1) != top[0]).any()
    found = attribute_fully(module, images, None, "smooth_grad", samples=SAMPLES, stdev=1.0)
    assert found.targets.each == tuple(ClassTarget((index,)) for index in top)
    assert torch.equal(found.values, attribute(module, images, top, "smooth_grad", samples=SAMPLES, stdev=1.0))


class Square(nn.Module):
    """Its score is the sum of squares, so that its gradient is twice the picture and the noise's effect is known."""

    def forward(self, images: Tensor) -> Tensor:
        return images.square().flatten(1).sum(dim=1, keepdim=True)


def test_mean_and_variance_over_many_copies_are_those_that_the_noise_has() -> None:
    images = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    deviation = 2 * 0.1 * float(images.max() - images.min())
    count = 4000
    mean = attribute(Square(), images, 0, "smooth_grad", samples=count, stdev=0.1)
    assert float(((mean - 2 * images) / (deviation / count**0.5)).abs().max()) < 5
    variance = attribute(Square(), images, 0, "var_grad", samples=count, stdev=0.1)
    assert float(((variance / deviation**2 - 1) / (2 / count) ** 0.5).abs().max()) < 5


@pytest.mark.parametrize(("method", "kind"), [("smooth_grad", "smoothgrad"), ("var_grad", "vargrad")])
def test_over_many_copies_it_is_captums(method: str, kind: str) -> None:
    """NoiseTunnel draws other noise, and takes its deviation as it is, not as a share of the picture's range."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(64, 3)).eval()
    images = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    count, stdev = 4000, 0.5
    absolute = stdev * float(images.max() - images.min())
    peer = NoiseTunnel(Saliency(network)).attribute(
        images.clone(), kind, nt_samples=count, nt_samples_batch_size=500, stdevs=absolute, target=1, abs=False
    )
    found = attribute(network, images, 1, method, samples=count, stdev=stdev)
    variance = attribute(network, images, 1, "var_grad", samples=count, stdev=stdev)
    # Six standard errors of the difference of two means, or two variances, over so many samples.
    error = (2 * variance / count).sqrt() if kind == "smoothgrad" else variance * (4 / count) ** 0.5 * 1.5
    assert ((found - peer).abs() <= 6 * error + 1e-7).all()
