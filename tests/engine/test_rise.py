"""RISE lays the score behind random masks back on what each mask let through."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.transform import resize
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.rise import RandomMasks, RiseParameters
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from tests.engine.reference import TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import NETWORKS, activation_of, precise, scanned

MASKS = 6
CELLS = 5
PROBABILITY = 0.4
SEED = 3
SMALL = {"masks": MASKS, "cells": CELLS, "probability": PROBABILITY, "seed": SEED}


def mask(number: int, height: int, width: int, cells: int = CELLS, probability: float = PROBABILITY) -> Tensor:
    """Section 3.2: a binary grid of cells x cells, upsampled bilinearly to (cells + 1) C_H x (cells + 1) C_W, of which
    a window of H x W is cut out at a place between (0, 0) and (C_H, C_W): [1, H, W].

    C_H = ceil(H / cells), as the authors' code has it. Their code lets skimage mirror the grid at its border; here the
    border's value goes on, as with torch.
    """
    random = np.random.default_rng((SEED, number))
    grid: NDArray[np.float64] = (random.random((cells, cells)) < probability).astype(float)
    cell = [-(-height // cells), -(-width // cells)]
    top, left = random.integers(cell)
    size = [(cells + 1) * c for c in cell]
    large = resize(grid, size, order=1, mode="edge", anti_aliasing=False)  # type: ignore[no-untyped-call]
    return torch.from_numpy(large[top : top + height, left : left + width]).unsqueeze(0)


def paper(module: nn.Module, image: Tensor, target: int, *, probabilities: bool) -> Tensor:
    """Equation 6, one mask after the other: [1, H, W]."""
    total = torch.zeros(1, *image.shape[1:], dtype=torch.float64)
    for number in range(MASKS):
        through = mask(number, *image.shape[1:])
        with torch.no_grad():
            scores = module((image * through.to(image)).unsqueeze(0))[0]
        seen = scores.softmax(dim=0) if probabilities else scores
        total += float(seen[target]) * through
    return total / (MASKS * PROBABILITY)


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_the_papers_map_of_scores_for_every_image_of_a_batch(network: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned(network, load, inputs)
    pairs = zip(images, TARGETS, strict=True)
    expected = torch.stack([paper(module, image, target, probabilities=False) for image, target in pairs])
    targets = [ClassTarget((target,), output="score") for target in TARGETS]
    assert_same_but_rounding(attribute(module, images, targets, "rise", **SMALL), expected)


@pytest.mark.parametrize("network", ["resnet18", "googlenet", "efficientnet_lite0"])
def test_it_is_the_papers_map_of_probabilities_unless_the_target_says_otherwise(
    network: str, load: Load, inputs: Inputs
) -> None:
    module, images = precise(network, load, inputs)
    pairs = zip(images, TARGETS, strict=True)
    expected = torch.stack([paper(module, image, target, probabilities=True) for image, target in pairs])
    assert_same_but_rounding(attribute(module, images, TARGETS, "rise", **SMALL), expected)


@pytest.mark.parametrize("network", ["alexnet", "efficientnet_lite0"])
def test_float32_is_as_good_but_for_rounding(network: str, load: Load, inputs: Inputs) -> None:
    exact = attribute(*precise(network, load, inputs), TARGETS, "rise", **SMALL)
    module, images = scanned(network, load, inputs)
    found = attribute(module, images, TARGETS, "rise", **SMALL)
    assert found.dtype == torch.float32
    assert_same_but_rounding(found, exact)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (35, 35), (7, 50), (4, 4)])
@pytest.mark.parametrize("cells", [2, 7, 64])
def test_masks_are_the_papers_for_any_size(cells: int, height: int, width: int) -> None:
    parameters = RiseParameters(cells=cells, probability=PROBABILITY, seed=SEED)
    found = RandomMasks(parameters, torch.zeros(1, 3, height, width, dtype=torch.float64)).take([0, 5, 5, 99_999])
    expected = [mask(number, height, width, cells) for number in (0, 5, 5, 99_999)]
    assert torch.allclose(found, torch.stack(expected), atol=1e-12)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_every_place_is_let_through_with_the_probability(probability: float) -> None:
    parameters = RiseParameters(probability=probability, seed=1)
    masks = RandomMasks(parameters, torch.zeros(1, 3, 28, 42)).take(list(range(3000)))
    # A place is a mean of up to four cells, so that it varies no more than a cell.
    error = (probability * (1 - probability) / 3000) ** 0.5
    assert float((masks.mean(dim=0) - probability).abs().max()) < 5 * error


def test_batched_and_alone_give_the_same(load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    together = attribute(module, images, TARGETS, "rise", **SMALL)
    alone = [attribute(module, images[row : row + 1], TARGETS[row], "rise", **SMALL) for row in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


def test_the_seed_decides(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)

    def answer(seed: int) -> Tensor:
        return attribute(module, images[:1], 281, "rise", masks=MASKS, seed=seed)

    before = torch.random.get_rng_state()
    first = answer(0)
    assert torch.equal(answer(0), first)
    for other in (1, 4096, 2**31 - 1):
        assert differs(answer(other), first)
    assert torch.equal(torch.random.get_rng_state(), before)


class Same(nn.Module):
    """Two classes with probabilities 1/4 and 3/4, whatever the picture."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([0.25, 0.75]).log().to(images).expand(len(images), 2) + 0 * images.mean()


def test_of_a_network_that_always_says_the_same_it_is_the_mean_mask_times_the_probability() -> None:
    images = torch.rand(1, 3, 28, 42, dtype=torch.float64)
    parameters = RiseParameters(masks=500, seed=SEED)
    mean = RandomMasks(parameters, images).take(list(range(500))).mean(dim=0, keepdim=True)
    found = attribute(Same(), images, 1, "rise", masks=500, seed=SEED)
    assert_same_but_rounding(found, 0.75 * mean / 0.5)
    # In expectation a mask is `probability` everywhere, which the division takes off.
    assert float((found - 0.75).abs().max()) < 0.75 * 5 * (1 / 500) ** 0.5


class Corner(nn.Module):
    """Looks at one corner only: the brighter it is, the surer of class 1."""

    def __init__(self, top: bool, left: bool) -> None:
        super().__init__()
        self.rows = slice(0, 8) if top else slice(-8, None)
        self.columns = slice(0, 8) if left else slice(-8, None)

    def forward(self, images: Tensor) -> Tensor:
        bright = images[:, :, self.rows, self.columns].mean(dim=(1, 2, 3))
        return torch.stack((torch.zeros_like(bright), 20 * bright - 10), dim=1)


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("left", [True, False])
def test_it_points_at_the_corner_that_a_network_looks_at(top: bool, left: bool) -> None:
    images = torch.ones(1, 3, 32, 48)
    found = attribute(Corner(top, left), images, 1, "rise", masks=1000)[0, 0]
    row, column = divmod(int(found.argmax()), 48)
    assert (row < 8) == top
    assert (row >= 24) == (not top)
    assert (column < 8) == left
    assert (column >= 40) == (not left)
    rows, columns = slice(0, 8) if top else slice(-8, None), slice(0, 8) if left else slice(-8, None)
    elsewhere = found.flip(0, 1)[rows, columns]
    assert float(found[rows, columns].mean()) > 1.3 * float(elsewhere.mean())


def test_without_a_target_the_top_class_of_each_image_is_explained(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    with torch.no_grad():
        scores = module(images)
    top = scores.argmax(dim=1).tolist()
    found = attribute_fully(module, images, None, "rise", masks=MASKS)
    assert found.targets.each == tuple(ClassTarget((index,)) for index in top)
    assert torch.equal(found.values, attribute(module, images, top, "rise", masks=MASKS))
    assert torch.allclose(found.explained, scores.softmax(dim=1).amax(dim=1))
    assert torch.allclose(found.scores, scores, atol=1e-5)


def test_a_unit_is_explained_like_a_score(load: Load, inputs: Inputs) -> None:
    module, images = precise("efficientnet_lite0", load, inputs)
    expected = torch.zeros(1, *images.shape[2:], dtype=torch.float64)
    for number in range(MASKS):
        through = mask(number, *images.shape[2:])
        expected += float(activation_of(module, "blocks.5", images[0] * through)[7, 1, 2]) * through
    found = attribute(module, images[:1], UnitTarget("blocks.5", 7, (1, 2)), "rise", **SMALL)
    assert_same_but_rounding(found, expected.unsqueeze(0) / (MASKS * PROBABILITY))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_picture_of_one_colour_has_a_finite_answer(value: float, load: Load, inputs: Inputs) -> None:
    module, images = scanned("resnet18", load, inputs)
    asked: dict[str, Any] = {"masks": 4}
    assert attribute(module, torch.full_like(images[:1], value), 3, "rise", **asked).isfinite().all()
