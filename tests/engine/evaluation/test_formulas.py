"""Metrics written again, slowly and close to their papers, on real explanations and on noise.

Quantus 0.6.0, the other library of these metrics, cannot be installed beside ours: it asks for opencv-python, which
takes the place of opencv-python-headless. Run once without it, its pointing game, relevance mass accuracy and
max-sensitivity gave what these formulas give; where it differs stands at the test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.attribution.attribute import attribute
from convscope.engine.attribution.methods import METHODS
from convscope.engine.evaluation.curves import change_curve
from convscope.engine.evaluation.infidelity import infidelity
from convscope.engine.evaluation.localization import box_overlap, energy_inside, inside_over_outside, pointing_game
from convscope.engine.evaluation.rank_correlation import rank_correlation
from convscope.engine.evaluation.sensitivity import max_sensitivity
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.shapes.dataset import ShapesDataset

COUNT, SIDE = 6, 64
NAMES = ("grad_cam", "guided_grad_cam", "input_x_gradient", "noise")
"""Maps with many zeros, with few, and of either sign."""
Map = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class World:
    """Pictures of one large thing each, and the network that names it."""

    model: Model
    images: Tensor
    targets: Tensor
    masks: list[Mask]

    def explain(self, images: Tensor, method: str) -> Tensor:
        return attribute(self.model.module, images, self.targets[: len(images)], method)

    def score(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            scores: Tensor = self.model.module(images).gather(1, self.targets[: len(images), None])
        return scores[:, 0]


@cache
def world() -> World:
    model, made = Catalogue.read().load("shapes_classifier"), ShapesDataset(COUNT, task="class", seed=17)
    paintings = [made.painting(place) for place in range(COUNT)]
    crops = torch.stack([model.preprocessing.crop(painting.image)[0] for painting in paintings])
    masks = [
        painting.masks[made.scene(place).things.index(made.scene(place).largest)]
        for place, painting in enumerate(paintings)
    ]
    targets = torch.tensor([made.target(place) for place in range(COUNT)])
    return World(model, model.preprocessing.normalize(crops), targets, masks)


@cache
def maps(name: str) -> list[Map]:
    if name == "noise":
        return list(np.random.default_rng(2).normal(size=(COUNT, SIDE, SIDE)))
    explained = world().explain(world().images, name).numpy()
    return [to_heatmap(values, SIDE, SIDE, METHODS[name].reduction) for values in explained]


def pairs(name: str) -> list[tuple[Map, Mask]]:
    return list(zip(maps(name), world().masks, strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tolerance", [0, 3, 15])
def test_pointing_game(name: str, tolerance: float) -> None:
    """Quantus takes any of several equal maxima, and has no tolerance."""
    for heatmap, mask in pairs(name):
        best, at = -np.inf, (0, 0)
        for row in range(SIDE):
            for column in range(SIDE):
                if heatmap[row, column] > best:
                    best, at = float(heatmap[row, column]), (row, column)
        near = [
            (row - at[0]) ** 2 + (column - at[1]) ** 2 <= tolerance**2
            for row in range(SIDE)
            for column in range(SIDE)
            if mask[row, column]
        ]
        assert pointing_game(heatmap, mask, tolerance=tolerance) is any(near)


@pytest.mark.parametrize("name", NAMES)
def test_energy_inside_and_its_mean_over_that_outside(name: str) -> None:
    """The paper scales a map to 0..1 before, which is the same for one whose least value is 0. Quantus counts negative
    evidence too, unless it is taken off before."""
    for heatmap, mask in pairs(name):
        inside = outside = 0.0
        for value, is_in in zip(heatmap.ravel().tolist(), mask.ravel().tolist(), strict=True):
            if is_in:
                inside += max(0.0, value)
            else:
                outside += max(0.0, value)
        assert energy_inside(heatmap, mask) == pytest.approx(inside / (inside + outside), rel=1e-6)
        ratio = (inside / mask.sum()) / (outside / (~mask).sum())
        assert inside_over_outside(heatmap, mask) == pytest.approx(ratio, rel=1e-6)


def flooded(over: Mask) -> list[set[tuple[int, int]]]:
    """The parts that hang together, in the order of rows."""
    left = {(int(row), int(column)) for row, column in np.argwhere(over)}
    parts = []
    for start in sorted(left):
        part, edge = set[tuple[int, int]](), [start]
        while edge:
            row, column = edge.pop()
            if (row, column) in left:
                left.remove((row, column))
                part.add((row, column))
                edge += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        if part:
            parts.append(part)
    return parts


def filled(places: set[tuple[int, int]]) -> Mask:
    """The box around some places, pixel by pixel."""
    box = np.zeros((SIDE, SIDE), bool)
    rows, columns = zip(*places, strict=True)
    box[min(rows) : max(rows) + 1, min(columns) : max(columns) + 1] = True
    return box


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threshold", [0.15, 0.5])
def test_box_overlap(name: str, threshold: float) -> None:
    for heatmap, mask in pairs(name):
        parts = flooded(heatmap > threshold * heatmap.max())
        found = filled(max(parts, key=len))
        right = filled({(int(row), int(column)) for row, column in np.argwhere(mask)})
        expected = (found & right).sum() / (found | right).sum()
        assert box_overlap(heatmap, mask, threshold=threshold) == pytest.approx(expected, rel=1e-9)


def ranks(values: list[float]) -> list[float]:
    """From 1; equal ones share the mean of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


def pearson(one: list[float], other: list[float]) -> float:
    mean_one, mean_other = sum(one) / len(one), sum(other) / len(other)
    both = sum((a - mean_one) * (b - mean_other) for a, b in zip(one, other, strict=True))
    squares = sum((a - mean_one) ** 2 for a in one) * sum((b - mean_other) ** 2 for b in other)
    return float(both / squares**0.5)


@pytest.mark.parametrize("name", NAMES)
def test_rank_correlation_where_values_are_equal(name: str) -> None:
    """Of a mask nearly all are, of a Grad-CAM many."""
    for heatmap, mask in pairs(name):
        few, truth = heatmap[2::4, 2::4].astype(np.float64), mask[2::4, 2::4].astype(np.float64)
        expected = pearson(ranks(few.ravel().tolist()), ranks(truth.ravel().tolist()))
        assert rank_correlation(few, truth, grid=len(few)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["insertion", "deletion"])
def test_insertion_and_deletion(name: str, kind: Literal["insertion", "deletion"]) -> None:
    """The paper's steps are of as many pixels as a row has; Quantus has them as other metrics of its own."""
    steps = 16
    for place, heatmap in enumerate(maps(name)[:3]):
        image, target = world().images[place], int(world().targets[place])
        empty = image.mean(dim=(1, 2), keepdim=True).expand_as(image)
        places = sorted(np.ndindex(SIDE, SIDE), key=lambda at: -heatmap[at])
        picture = (empty if kind == "insertion" else image).clone()
        values = [probability(picture[None], target)]
        for step in range(steps):
            for row, column in places[step * SIDE**2 // steps : (step + 1) * SIDE**2 // steps]:
                picture[:, row, column] = (image if kind == "insertion" else empty)[:, row, column]
            values.append(probability(picture[None], target))
        pointed, answer = torch.from_numpy(heatmap.copy()), partial(probabilities, target=target)
        found = change_curve(answer, image, pointed, kind=kind, empty=empty, steps=steps)
        np.testing.assert_allclose(found.values, values, atol=1e-5)
        area = sum((before + after) / 2 / steps for before, after in pairwise(values))
        assert found.area == pytest.approx(area, abs=1e-5)


def probabilities(images: Tensor, target: int) -> Tensor:
    scores: Tensor = world().model.module(images)
    return scores.softmax(dim=1)[:, target]


@torch.no_grad()
def probability(images: Tensor, target: int) -> float:
    scores = world().model.module(images)[0]
    return float((scores[target] - scores.max()).exp() / (scores - scores.max()).exp().sum())


def drawn(draw: Callable[[torch.Generator], Tensor], seed: int, samples: int) -> list[NDArray[np.float64]]:
    """The changes of the pictures, one after the other from one generator."""
    generator = torch.Generator().manual_seed(seed)
    return [draw(generator).double().numpy() for _ in range(samples)]


@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_max_sensitivity(method: str) -> None:
    """Relative to the explanation's norm, as Captum and Quantus have it; Yeh et al. do not divide by it."""
    images, radius, samples, seed = world().images, 0.05, 4, 9
    noises = drawn(lambda generator: (2 * torch.rand(images.shape, generator=generator) - 1) * radius, seed, samples)
    expected = []
    for place in range(COUNT):
        explained = world().explain(images, method)[place].double().numpy()
        most = 0.0
        for noise in noises:
            changed = world().explain(images + torch.from_numpy(noise).float(), method)[place].double().numpy()
            most = max(most, float(((changed - explained) ** 2).sum() ** 0.5))
        expected.append(most / float((explained**2).sum() ** 0.5))
    found = max_sensitivity(
        lambda some: world().explain(some, method), images, radius=radius, samples=samples, seed=seed
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("channels", [3, 1])
def test_infidelity(channels: int) -> None:
    """With Gaussian changes, as in the paper's section 2; Quantus changes squares."""
    images, noise, samples, seed = world().images, 0.05, 5, 3
    changes = drawn(lambda generator: noise * torch.randn(images.shape, generator=generator), seed, samples)
    values = world().explain(images, "gradient" if channels == 3 else "saliency")
    before = world().score(images).double().numpy()
    total = np.zeros(COUNT)
    for change in changes:
        after = world().score(images - torch.from_numpy(change).float()).double().numpy()
        for place in range(COUNT):
            foretold = 0.0
            for color in range(3):
                weights = values[place, min(color, channels - 1)].double().numpy()
                foretold += float((change[place, color] * weights).sum())
            total[place] += (foretold - (before[place] - after[place])) ** 2
    found = infidelity(world().score, images, values, noise=noise, samples=samples, seed=seed)
    np.testing.assert_allclose(found.numpy(), total / samples, rtol=1e-3)
