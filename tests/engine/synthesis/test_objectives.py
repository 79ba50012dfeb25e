"""What is ascended, against hooks and NumPy."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.errors import InvalidParameter, MethodUnsupported
from convscope.engine.models.model import Model
from convscope.engine.synthesis.diverse import diverse
from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.objectives.class_output import ClassOutput
from convscope.engine.synthesis.objectives.combined import Interpolation, Product, Sum
from convscope.engine.synthesis.objectives.direction import LEAST, Direction
from convscope.engine.synthesis.objectives.diversity import Diversity
from convscope.engine.synthesis.objectives.feature_distance import FeatureDistance
from convscope.engine.synthesis.objectives.unit_output import UnitOutput
from convscope.engine.synthesis.parameters import SynthesisParameters
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import hooked

# Float32 sums of at most some thousand numbers, in another order.
ROUNDING = 1e-4


def images(count: int, height: int = 48, width: int = 40) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(6))


def test_a_channel_is_its_mean_and_a_neuron_its_value_whatever_else_is_in_the_batch(tiny: Model) -> None:
    units = [
        UnitTarget("4", 3),
        UnitTarget("10", 5, (1, 2)),
        UnitTarget("4", 0, (7, 0)),
        UnitTarget("13", 281),
        UnitTarget("10", 15),
    ]
    pictures = images(5)
    expected = [
        hooked(tiny.module, "4", pictures)[0, 3].mean(),
        hooked(tiny.module, "10", pictures)[1, 5, 1, 2],
        hooked(tiny.module, "4", pictures)[2, 0, 7, 0],
        tiny.module(pictures)[3, 281],
        hooked(tiny.module, "10", pictures)[4, 15].mean(),
    ]
    objective = UnitOutput(tiny, units)
    torch.testing.assert_close(objective(pictures, range(5)), torch.stack(expected), rtol=ROUNDING, atol=1e-5)
    # A part of the batch, and several looks at one row.
    rows = [4, 1, 1, 3]
    found = objective(pictures[[4, 1, 1, 3]], rows)
    torch.testing.assert_close(found, torch.stack([expected[row] for row in rows]), rtol=ROUNDING, atol=1e-5)


def test_a_neuron_of_a_larger_picture_keeps_its_place_in_proportion(tiny: Model) -> None:
    """Layer 4 has a grid of 24 x 20 for 48 x 40, and of 48 x 40 for 96 x 80."""
    objective = UnitOutput(tiny, [UnitTarget("4", 2, (12, 15))])
    pictures = images(1, 96, 80)
    expected = hooked(tiny.module, "4", pictures)[0, 2, 24, 30]
    torch.testing.assert_close(objective(pictures, [0])[0], expected, rtol=ROUNDING, atol=1e-6)
    for place in ((0, 0), (23, 19)):
        small = UnitOutput(tiny, [UnitTarget("4", 2, place)])(images(1, 33, 27), [0])
        grid = hooked(tiny.module, "4", images(1, 33, 27))[0, 2]
        corner = grid[0, 0] if place == (0, 0) else grid[23 * 17 // 24, 19 * 14 // 20]
        torch.testing.assert_close(small[0], corner, rtol=ROUNDING, atol=1e-6)


@pytest.mark.parametrize("layer", ["heads.head", "encoder.layers.encoder_layer_5.mlp", "conv_proj"])
def test_units_of_a_transformer(load: Load, layer: str) -> None:
    """Tokens stand for places, row by row behind the one of the class; scores have none."""
    model, pictures = load("vit_b_16"), images(1, 224, 224)
    output = hooked(model.module, layer, pictures)[0]
    if layer == "heads.head":
        units, expected = [UnitTarget(layer, 7)], [output[7]]
    elif layer == "conv_proj":
        units, expected = [UnitTarget(layer, 7, (3, 5))], [output[7, 3, 5]]
    else:
        units = [UnitTarget(layer, 7), UnitTarget(layer, 7, (3, 5))]
        expected = [output[1:, 7].mean(), output[1 + 3 * 14 + 5, 7]]
    for unit, value in zip(units, expected, strict=True):
        torch.testing.assert_close(UnitOutput(model, [unit])(pictures, [0])[0], value, rtol=ROUNDING, atol=1e-6)


def test_a_layer_of_a_fixed_size_needs_pictures_of_it(load: Load, tiny: Model) -> None:
    vit = load("vit_b_16")
    tokens = "encoder.layers.encoder_layer_5.mlp"
    with pytest.raises(MethodUnsupported, match="tokens") as caught:
        LayerOutput(vit, tokens)
    assert caught.value.field == "layer"
    pictures = images(1, 224, 224)
    folded = LayerOutput(vit, tokens, fixed=True)(pictures)
    expected = hooked(vit.module, tokens, pictures)[:, 1:].reshape(1, 14, 14, 768).permute(0, 3, 1, 2)
    torch.testing.assert_close(folded, expected, rtol=ROUNDING, atol=1e-5)
    scores = LayerOutput(tiny, "13", fixed=True)(images(2))
    torch.testing.assert_close(scores, tiny.module(images(2)), rtol=ROUNDING, atol=1e-5)


@pytest.mark.parametrize("output", ["score", "probability", "log_probability"])
def test_what_the_network_says_of_a_class(tiny: Model, output: str) -> None:
    found = ClassOutput(tiny, [3, 9, 281], output)(images(2), [2, 0])  # type: ignore[arg-type]
    scores = tiny.module(images(2)).double().numpy()
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = exponentials / exponentials.sum(axis=1, keepdims=True)
    said = {"score": scores, "probability": shares, "log_probability": np.log(shares)}[output]
    np.testing.assert_allclose(found, [said[0, 281], said[1, 3]], rtol=ROUNDING)


@pytest.mark.parametrize("power", [0.0, 1.0, 3.0])
def test_a_direction_is_a_dot_product_at_each_place(tiny: Model, power: float) -> None:
    direction = torch.randn(12, generator=torch.Generator().manual_seed(1))
    found = Direction(LayerOutput(tiny, "4"), direction, power)(images(2), [0, 1])
    places = hooked(tiny.module, "4", images(2)).double().numpy()
    for row, one in enumerate(found.tolist()):
        values = []
        for place in places[row].reshape(12, -1).T:
            dot = place @ direction.numpy()
            cosine = dot / max(1e-8, float(np.linalg.norm(place) * np.linalg.norm(direction.numpy())))
            values.append(dot * max(LEAST, cosine) ** power if power else dot)
        assert one == pytest.approx(np.mean(values), rel=ROUNDING, abs=1e-5)


def test_diversity_is_the_negative_cosine_of_gram_matrices(tiny: Model) -> None:
    """Two targets with three copies each: each against the other two of its target."""
    pictures = images(6)
    found = Diversity(LayerOutput(tiny, "4"), 3)(pictures, range(6))
    grams = []
    for features in hooked(tiny.module, "4", pictures).double().numpy().reshape(6, 12, -1):
        gram = features @ features.T
        grams.append((gram / np.linalg.norm(gram)).ravel())
    for row, one in enumerate(found.tolist()):
        others = [other for other in range(6) if other // 3 == row // 3 and other != row]
        assert one == pytest.approx(-np.mean([grams[row] @ grams[other] for other in others]), rel=ROUNDING)
    # The second target by itself, as a part of a larger batch.
    part = Diversity(LayerOutput(tiny, "4"), 3)(pictures[3:], [3, 4, 5])
    torch.testing.assert_close(part, found[3:], rtol=ROUNDING, atol=0)


def test_copies_that_do_not_fit_into_a_pass_are_refused(tiny: Model) -> None:
    with pytest.raises(InvalidParameter, match="copies") as caught:
        diverse(ClassOutput(tiny, [1]), tiny, SynthesisParameters(copies=3, diversity=1.0))
    assert caught.value.field == "copies"
    objective = ClassOutput(tiny, [1])
    assert diverse(objective, tiny, SynthesisParameters(copies=3)) is objective


class Given:
    """What a list says of each row."""

    def __init__(self, *values: float) -> None:
        self._values = values

    def __call__(self, images: Tensor, rows: Sequence[int]) -> Tensor:
        return torch.tensor([self._values[row] for row in rows])


def test_objectives_add_and_multiply() -> None:
    first, second, third = Given(1.0, -2.0, 3.0), Given(10.0, 20.0, 30.0), Given(0.5, 0.5, 2.0)
    nothing = torch.empty(2, 0)
    assert Sum((2.0, first), (-0.5, second))(nothing, [0, 2]).tolist() == [-3.0, -9.0]
    assert Product(first, second, third)(nothing, [1, 2]).tolist() == [-20.0, 180.0]
    assert Sum((1.0, Product(first, second)), (1.0, third))(nothing, [0, 1]).tolist() == [10.5, -39.5]


def test_an_interpolation_goes_evenly_from_one_to_the_other() -> None:
    ways = Interpolation(Given(*[1.0] * 5), Given(*[9.0] * 5), 5)
    assert ways(torch.empty(5, 0), range(5)).tolist() == [1, 3, 5, 7, 9]
    assert ways(torch.empty(2, 0), [4, 1]).tolist() == [9, 3]


def test_a_feature_distance_is_over_the_wanted_features(tiny: Model) -> None:
    """Of each picture at a layer of its own."""
    layers, pictures = ["4", "10", "13"], images(3)
    wanted = [hooked(tiny.module, layer, images(6)[3:4]) for layer in layers]
    objective = FeatureDistance([LayerOutput(tiny, layer, fixed=True) for layer in layers], wanted)
    rows = [2, 0, 1, 1]
    found = objective(pictures[[2, 0, 1, 1]], rows)
    for one, row in zip(found.tolist(), rows, strict=True):
        features = hooked(tiny.module, layers[row], pictures[row : row + 1]).double()
        apart = (features - wanted[row].double()).square().sum() / wanted[row].double().square().sum()
        assert one == pytest.approx(-apart.item(), rel=ROUNDING)
    alone = FeatureDistance([LayerOutput(tiny, "4", fixed=True)], [hooked(tiny.module, "4", pictures[:1])])
    assert alone(pictures[:1], [0]).item() == 0
