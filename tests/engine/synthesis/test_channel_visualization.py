"""Pictures of channels and neurons, against a loop as one writes it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.errors import ConvscopeError, InvalidInput
from convscope.engine.models.model import Model
from convscope.engine.synthesis.channel_visualization import ChannelVisualization, channel_visualization
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.middle_layer import middle_layer
from convscope.engine.synthesis.objectives.diversity import Diversity
from convscope.engine.synthesis.own_layer import own_layer
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.recipes import RECIPES
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import hooked, resized

UNITS = [UnitTarget("4", 3), UnitTarget("10", 5, (1, 2)), UnitTarget("13", 281)]
WAY: dict[str, Any] = {"steps": 4, "step_size": 3000.0, "momentum": 0.9, "l2": 3e-7, "noise": 20.0, "seed": 2}


def run(model: Model, units: list[UnitTarget], start: Image.Image | None = None, **values: Any) -> ChannelVisualization:
    visualization = channel_visualization(model, units, SynthesisParameters.parse(values), start)
    for _ in visualization:
        pass
    return visualization


def by_hand(model: Model, unit: UnitTarget, values: dict[str, Any]) -> tuple[Tensor, list[float]]:
    """Levels about the mean, and each step's score: the whole network is run, and a hook keeps the layer's output."""
    std = 255 * torch.tensor(model.preprocessing.std).view(1, 3, 1, 1)
    levels = values["noise"] * torch.randn(1, 3, 48, 40, generator=torch.Generator().manual_seed(values["seed"]))
    velocity, scores = torch.zeros_like(levels), []
    for _ in range(values["steps"]):
        levels = levels.detach().requires_grad_()
        channel = hooked(model.module, unit.layer, levels / std)[0, unit.channel]
        score = channel.mean() if unit.place is None else channel[unit.place]
        (gradient,) = torch.autograd.grad(score - values["l2"] * levels.square().sum(), levels)
        velocity = values["momentum"] * velocity + gradient
        levels = levels + values["step_size"] * velocity
        scores.append(score.item())
    return levels.detach(), scores


@pytest.mark.usefixtures("exactly")
def test_it_is_what_one_writes_by_hand_for_all_units_at_once(tiny_exactly: Model) -> None:
    """In float64: in float32 rounding opens and shuts ReLUs."""
    visualization = run(tiny_exactly, UNITS, **WAY)
    for row, unit in enumerate(UNITS):
        expected, scores = by_hand(tiny_exactly, unit, WAY)
        found = visualization.state().variables[row : row + 1]
        assert (found - expected).norm() <= 1e-8 * expected.norm()
        np.testing.assert_allclose([one[row] for one in visualization.history()["scores"]], scores, rtol=1e-8)


@pytest.mark.usefixtures("exactly")
def test_a_batch_is_what_single_runs_give(tiny_exactly: Model) -> None:
    values = RECIPES["olah2017"].with_overrides({"steps": 3}).model_dump(exclude_defaults=True)
    together = run(tiny_exactly, UNITS, **values)
    for row, unit in enumerate(UNITS):
        alone = run(tiny_exactly, [unit], **values)
        np.testing.assert_allclose(together.values()[row], alone.values()[0], atol=1e-6)  # pictures are float32


def test_results_name_the_networks_own_units(tiny: Model) -> None:
    units = [*UNITS, UnitTarget("relu3_3", 1)]
    results = run(tiny, units, steps=1, copies=2, noise=5.0).results()
    assert [one["unit"] for one in results[::2]] == [one["unit"] for one in results[1::2]]
    assert [one["unit"] for one in results[::2]] == [
        {"layer": "4", "channel": 3},
        {"layer": "10", "channel": 5, "row": 1, "column": 2},
        {"layer": "13", "channel": 281},
        {"layer": own_layer(tiny, "relu3_3"), "channel": 1},
    ]
    assert all(np.isfinite(one["score"]) for one in results)
    assert all(one["score"] != other["score"] for one, other in zip(results[::2], results[1::2], strict=True))


def test_diversity_makes_copies_differ(tiny: Model) -> None:
    """By what it is told to: the cosine of their Gram matrices in the middle of the network."""
    values: dict[str, Any] = {"steps": 15, "noise": 20.0, "copies": 2, "normalization": "mean_abs", "step_size": 3.0}
    output = LayerOutput(tiny, middle_layer(tiny.module, tiny.layers))
    cosines = []
    for diversity in (0.0, 30.0):
        visualization = run(tiny, [UnitTarget("10", 3)], **values, diversity=diversity)
        images = visualization.state().variables / (255 * torch.tensor(tiny.preprocessing.std).view(1, 3, 1, 1))
        cosines.append(-Diversity(output, 2)(images, [0, 1])[0].item())
    assert cosines[0] > 0.95, "alone they stay alike"
    assert cosines[1] < 0.5


def test_a_unit_answers_more_and_more(load: Load) -> None:
    model = resized(load("efficientnet_lite0"), 64, 64)
    parameters = RECIPES["olah2017"].with_overrides({"steps": 25})
    visualization = channel_visualization(model, [UnitTarget("blocks.8", 1), UnitTarget("blocks.3", 2)], parameters)
    for _ in visualization:
        pass
    scores = np.array(visualization.history()["scores"])
    assert (scores[-5:].mean(axis=0) > scores[:5].mean(axis=0)).all()


def test_a_picture_to_start_from(tiny: Model, photographs: dict[str, Image.Image]) -> None:
    picture = photographs["chelsea"].resize((40, 48))
    parameters = SynthesisParameters(steps=2)
    visualization = channel_visualization(tiny, UNITS[:1], parameters, picture)
    np.testing.assert_array_equal(np.asarray(visualization.pictures()[0]), np.asarray(picture))
    with pytest.raises(InvalidInput, match="40 x 48") as caught:
        channel_visualization(tiny, UNITS[:1], parameters, photographs["chelsea"])
    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_SIZE")
    data = visualization.checkpoint()
    assert channel_visualization(tiny, UNITS[:1], parameters, picture, data).step == 0
    with pytest.raises(CheckpointInvalid, match="start"):
        channel_visualization(tiny, UNITS[:1], parameters, None, data)
    with pytest.raises(CheckpointInvalid, match="units"):
        channel_visualization(tiny, UNITS[1:2], parameters, picture, data)


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("units[1].layer", UnitTarget("nothing", 0)),
        ("units[1].channel", UnitTarget("4", 12)),
        ("units[1].channel", UnitTarget("4", -1)),
        ("units[1].row", UnitTarget("4", 0, (24, 0))),
        ("units[1].row", UnitTarget("4", 0, (0, 20))),
        ("units[1].row", UnitTarget("13", 0, (0, 0))),
    ],
)
def test_a_unit_that_is_not_there(tiny: Model, field: str, unit: UnitTarget) -> None:
    with pytest.raises(ConvscopeError) as caught:
        channel_visualization(tiny, [UNITS[0], unit], SynthesisParameters())
    assert caught.value.field == field


def test_no_unit(tiny: Model) -> None:
    with pytest.raises(InvalidInput) as caught:
        channel_visualization(tiny, [], SynthesisParameters())
    assert caught.value.field == "units"


def test_tokens_of_a_transformer(load: Load) -> None:
    unit = UnitTarget("encoder.layers.encoder_layer_2", 7)
    visualization = run(load("vit_b_16"), [unit, replace(unit, place=(3, 5))], steps=1, noise=20.0)
    assert np.isfinite(visualization.progress().scores).all()
