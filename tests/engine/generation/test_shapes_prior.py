"""What must be seen of the small world's prior, by a second classifier that shares neither pictures nor weights with
the one that the pictures are made for."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.generation.codes import CodeReader
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.shipped import SHIPPED
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.engine.shapes.networks.reading import PREPROCESSING
from convscope.engine.shapes.vocabulary import LABELS
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.recipes import RECIPES
from convscope.engine.synthesis.synthesis import Synthesis
from tests.engine.generation.judge import features, load_judge

REAL, SEED = 1000, 77
CLASSES = list(range(0, len(LABELS), 3))
"""Each shape and each colour."""
COPIES = 2
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def model() -> Model:
    return Catalogue.read().load("shapes_classifier")


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior.load(SHIPPED["shapes_classifier"])


def made(model: Model, recipe: str, prior: Prior | None = None, **overrides: int) -> Synthesis:
    synthesis = class_visualization(model, CLASSES, RECIPES[recipe].with_overrides({**overrides}), prior=prior)
    for _ in synthesis:
        pass
    return synthesis


@pytest.fixture(scope="module")
def ppgn(model: Model, prior: Prior) -> Synthesis:
    return made(model, "nguyen2016_ppgn", prior)


@pytest.fixture(scope="module")
def dgn(model: Model, prior: Prior) -> Synthesis:
    return made(model, "nguyen2016_dgn", prior, copies=COPIES)


def pixels(pictures: Sequence[Image.Image]) -> Tensor:
    """uint8 [N, 3, 64, 64]."""
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)


def judged(pictures: Sequence[Image.Image]) -> float:
    """Mean probability of the right class; as many pictures of each class, side by side."""
    with torch.no_grad():
        probabilities = load_judge()(PREPROCESSING.normalize(pixels(pictures))).softmax(1)
    right = torch.tensor(CLASSES).repeat_interleave(len(pictures) // len(CLASSES))
    return float(probabilities[torch.arange(len(pictures)), right].mean())


@pytest.fixture(scope="module")
def real() -> Tensor:
    """Of real pictures, in the judge's features."""
    world = ShapesDataset(REAL, task="class", seed=SEED)
    return features(load_judge(), pixels([world.painting(place).image for place in range(REAL)]))


def distance(pictures: Sequence[Image.Image], real: Tensor) -> float:
    """Mean distance to the nearest real one."""
    return float(torch.cdist(features(load_judge(), pixels(pictures)), real).amin(dim=1).mean())


def spread(groups: Sequence[Sequence[Image.Image]]) -> float:
    """Mean distance of two pictures of a group: root mean square of values from 0 to 1."""
    found = []
    for group in groups:
        flat = pixels(group).flatten(1).double() / 255
        found.append(torch.pdist(flat).mean() / flat.shape[1] ** 0.5)
    return float(torch.stack(found).mean())


@pytest.fixture(scope="module")
def without(model: Model) -> dict[str, list[Image.Image]]:
    return {name: made(model, name).pictures() for name in ("simonyan2013", "mordvintsev2015")}


def test_pictures_made_with_it_are_what_they_are_to_be(ppgn: Synthesis, without: dict[str, list[Image.Image]]) -> None:
    assert judged(ppgn.pictures()) > 0.9 > 0.5 + max(map(judged, without.values()))


def test_they_are_nearer_to_real_ones_than_any_made_without(
    ppgn: Synthesis, dgn: Synthesis, without: dict[str, list[Image.Image]], real: Tensor
) -> None:
    nearest = min(distance(pictures, real) for pictures in without.values())
    assert distance(ppgn.pictures(), real) < 0.3 * nearest
    assert distance(dgn.pictures(), real) < nearest


def test_a_chain_is_more_diverse_than_pictures_of_ascent(ppgn: Synthesis, dgn: Synthesis) -> None:
    chains, pictures = ppgn.chain(), dgn.pictures()
    copies = [pictures[place : place + COPIES] for place in range(0, len(pictures), COPIES)]
    assert spread(chains) > spread(copies)


def test_what_it_misses_of_pictures_that_it_never_saw(prior: Prior) -> None:
    """Most of it is the texture behind the things."""
    assert prior.card.pixel_error < 0.15
    assert prior.card.feature_error < 0.08
    assert prior.card.denoising_error < 0.01


def test_a_unit_answers_more_to_its_picture_than_to_most_real_ones(model: Model, prior: Prior) -> None:
    units = [UnitTarget("eye.block4", channel) for channel in (3, 20)]
    parameters = RECIPES["nguyen2016_ppgn"].with_overrides({"steps": 80, "cycles": 2})
    synthesis = channel_visualization(model, units, parameters, prior=prior)
    for _ in synthesis:
        pass
    world = ShapesDataset(100, task="class", seed=SEED)
    reader = CodeReader(model, "eye.block4")
    seen = pixels([*synthesis.pictures(), *(world.painting(place).image for place in range(100))])
    with torch.no_grad():
        answers = reader(seen.float() / 255).mean(dim=(2, 3))
    for place, unit in enumerate(units):
        assert answers[place, unit.channel] > answers[2:, unit.channel].quantile(0.9)
