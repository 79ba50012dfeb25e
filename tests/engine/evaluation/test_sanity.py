"""Weights drawn anew, layer by layer; and what Adebayo et al. found with it."""

import numpy as np
import pytest
import torch
from torch import nn

from convscope.engine.attribution.attribute import attribute
from convscope.engine.evaluation.rank_correlation import rank_correlation
from convscope.engine.evaluation.sanity import cascade
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.shapes.dataset import ShapesDataset

COUNT = 24


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(80, 3)
        ).eval()


def test_it_goes_from_the_output_to_the_input_and_spares_what_it_was_given() -> None:
    network = small()
    nn.init.constant_(network.get_parameter("1.weight"), 0.5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    steps = []
    for name, changed in cascade(network, seed=4):
        differ = {
            key.rpartition(".")[0]
            for key, tensor in changed.state_dict().items()
            if not torch.equal(tensor, before[key])
        }
        steps.append((name, differ))
    assert steps == [("5", {"5"}), ("3", {"3", "5"}), ("1", {"1", "3", "5"}), ("0", {"0", "1", "3", "5"})]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_same_seed_draws_the_same_whatever_happens_in_between() -> None:
    first = [changed(torch.ones(1, 3, 8, 8)).detach().clone() for _, changed in cascade(small(), seed=1)]
    again = []
    for _, changed in cascade(small(), seed=1):
        torch.rand(7)
        again.append(changed(torch.ones(1, 3, 8, 8)).detach().clone())
    other = [changed(torch.ones(1, 3, 8, 8)).detach().clone() for _, changed in cascade(small(), seed=2)]
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[-1], other[-1])


@pytest.fixture(scope="module")
def similarity() -> dict[str, float]:
    """Rank correlation of each method's signed maps before and after every weight was drawn anew."""
    model, world = Catalogue.read().load("shapes_classifier"), ShapesDataset(COUNT, task="class", seed=5)
    crops = [model.preprocessing.crop(world.painting(place).image)[0] for place in range(COUNT)]
    images = model.preprocessing.normalize(torch.stack(crops))
    targets = torch.tensor([world.target(place) for place in range(COUNT)])
    *_, (_, changed) = cascade(model.module, seed=0)
    found = {}
    for method in ("gradient", "grad_cam", "guided_backprop"):
        before, after = (
            [one.sum(0).numpy() for one in attribute(network, images, targets, method)]
            for network in (model.module, changed)
        )
        pairs = [rank_correlation(*pair, grid=len(pair[0])) for pair in zip(before, after, strict=True)]
        found[method] = float(np.nanmean(pairs))
    return found


def test_gradient_and_grad_cam_change_with_the_weights_and_guided_backprop_less(similarity: dict[str, float]) -> None:
    assert similarity["guided_backprop"] > similarity["gradient"] + 0.1, similarity
    assert similarity["guided_backprop"] > similarity["grad_cam"] + 0.1, similarity
