"""Pictures from features."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.errors import ConvscopeError, InvalidInput, InvalidParameter, UnknownName
from convscope.engine.models.model import Model
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.feature_inversion import FeatureInversion, all_layers, correlation, feature_inversion
from convscope.engine.synthesis.middle_layer import middle_layer
from convscope.engine.synthesis.parameters import Stage, SynthesisParameters
from convscope.engine.synthesis.recipes import INVERSIONS
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import around, hooked

Photographs = dict[str, Image.Image]
Features = NDArray[np.float32]
FEW = SynthesisParameters(noise=1.0, steps=12, step_size=1.0, normalization="mean_abs", momentum=0.9)


@pytest.fixture(scope="module")
def lite(load: Load) -> Model:
    """EfficientNet-Lite0 for pictures of 96 x 96, with its published weights."""
    model = load("efficientnet_lite0")
    return around(model, model.module, 96, 96)


def inverted(
    model: Model, source: Image.Image | Features, layers: list[str], parameters: SynthesisParameters = FEW
) -> FeatureInversion:
    inversion = feature_inversion(model, source, layers, parameters)
    for _ in inversion:
        pass
    return inversion


def features(model: Model, picture: Image.Image, layer: str) -> Features:
    """As the network has them: what a caller might have kept."""
    return features_of(model, model.preprocessing.crop(picture)[0], layer)


def features_of(model: Model, pixels: Tensor, layer: str) -> Features:
    with torch.no_grad():
        kept: Features = hooked(model.module, layer, model.preprocessing.normalize(pixels[None]))[0].numpy()
    return kept


@pytest.mark.parametrize("name", INVERSIONS)
def test_the_distance_falls(lite: Model, photographs: Photographs, name: str) -> None:
    layers = ["blocks.2", "blocks.8"]
    parameters = INVERSIONS[name].with_overrides({"steps": 30})
    start = feature_inversion(lite, photographs["chelsea"], layers, parameters)
    before = [one["distance"] for one in start.results()]
    after = [one["distance"] for one in inverted(lite, photographs["chelsea"], layers, parameters).results()]
    assert all(later < 0.8 * earlier for later, earlier in zip(after, before, strict=True)), (before, after)


def test_a_random_network_can_be_inverted_too(load: Load, photographs: Photographs) -> None:
    resnet = load("resnet18")
    model = around(resnet, resnet.module, 64, 64)
    inversion = inverted(model, photographs["china"], ["layer1.1", "layer3.1"])
    first, last = inversion.history()["scores"][0], inversion.progress().scores
    assert all(after > 0.9 * before for before, after in zip(first, last, strict=True)), "scores are negative"


def test_a_shallow_layer_keeps_more_of_the_photograph_than_a_deep_one(lite: Model, photographs: Photographs) -> None:
    parameters = INVERSIONS["mahendran2015"].with_overrides({"steps": 100})
    inversion = inverted(lite, photographs["chelsea"], ["blocks.0", "blocks.14"], parameters)
    shallow, deep = (one["similarity"] for one in inversion.results())
    assert shallow > 0.5
    assert shallow > deep + 0.1


def test_results_say_what_the_saved_picture_has(lite: Model, photographs: Photographs) -> None:
    picture = photographs["coffee"]
    inversion = inverted(lite, picture, ["blocks.2", "blocks.15", "conv5"])
    assert [one["layer"] for one in inversion.results()] == ["blocks.2", "blocks.15", "blocks.15"], "under its own name"
    seen = inversion.extra_pictures()["original.png"]
    pixels, _ = lite.preprocessing.crop(picture)
    np.testing.assert_array_equal(np.asarray(seen), pixels.permute(1, 2, 0))
    for made, result, score in zip(inversion.pictures(), inversion.results(), inversion.progress().scores, strict=True):
        as_it_is = torch.from_numpy(np.array(made)).permute(2, 0, 1)
        wanted, found = features(lite, picture, result["layer"]), features_of(lite, as_it_is, result["layer"])
        distance = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        assert result["distance"] == pytest.approx(distance, rel=1e-4)  # float32 sums of some ten thousand numbers
        grey = [np.asarray(one.convert("L"), dtype=float).ravel() for one in (made, seen)]
        assert result["similarity"] == pytest.approx(np.corrcoef(grey[0], grey[1])[0, 1])
        assert result["score"] == score


def test_the_score_is_the_papers_energy(tiny: Model, photographs: Photographs) -> None:
    """|Phi(x) - Phi_0|^2 / |Phi_0|^2 at the start, and the penalties of each layer's depth beside it."""
    parameters = SynthesisParameters(steps=1, noise=5.0, tv_weight=1e-6, alpha_weight=1e-14, seed=4)
    layers = ["1", "7", "10"]
    inversion = feature_inversion(tiny, photographs["china"], layers, parameters)
    levels = inversion.state().variables
    std = 255 * torch.tensor(tiny.preprocessing.std).view(1, 3, 1, 1)
    inversion.advance()
    loss = 0.0
    for row, (layer, factor) in enumerate(zip(layers, (0.1, 1.0, 10.0), strict=True)):
        wanted = torch.from_numpy(features(tiny, photographs["china"], layer))
        found = hooked(tiny.module, layer, levels[row : row + 1] / std)[0]
        energy = ((found - wanted) ** 2).sum() / (wanted**2).sum()
        assert inversion.progress().scores[row] == pytest.approx(-energy.item(), rel=1e-4)
        variation = torch.nn.functional.pad(levels[row].diff(dim=2), (0, 1)) ** 2
        variation = variation + torch.nn.functional.pad(levels[row].diff(dim=1), (0, 0, 0, 1)) ** 2
        penalty = 1e-6 * factor * variation.sum() + 1e-14 * (levels[row] ** 6).sum()
        loss += (energy + penalty).item() / 3
    assert inversion.progress().loss == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize(("network", "layer"), [("tiny", "4"), ("tiny", "13"), ("lite", "blocks.8")])
def test_features_alone_give_what_the_photograph_gives(
    request: pytest.FixtureRequest, photographs: Photographs, network: str, layer: str
) -> None:
    """A grid, and the scores, which have none. The array is laid out row by row, so that sums are rounded otherwise,
    which three steps make no more than a hundredth of a level of."""
    model: Model = request.getfixturevalue(network)
    picture = photographs["chelsea"]
    few = FEW.model_copy(update={"steps": 3})
    from_picture = inverted(model, picture, [layer], few)
    kept = features(model, picture, layer)
    assert kept.shape == model.layers.layer(layer).output_shape
    from_features = inverted(model, kept, [layer], few)
    np.testing.assert_allclose(from_features.values(), from_picture.values(), rtol=0, atol=0.01 / 255)
    (result,) = from_features.results()
    assert result["distance"] == pytest.approx(from_picture.results()[0]["distance"], rel=1e-5)
    assert "similarity" not in result, "there is nothing to compare it with"
    assert from_features.extra_pictures() == {}


def test_tokens_are_given_as_the_network_has_them(load: Load, photographs: Photographs) -> None:
    model, layer = load("vit_b_16"), "encoder.layers.encoder_layer_2"
    kept = features(model, photographs["chelsea"], layer)
    assert kept.shape == (197, 768)
    parameters = FEW.model_copy(update={"steps": 1})
    from_features = inverted(model, kept, [layer], parameters)
    from_picture = inverted(model, photographs["chelsea"], [layer], parameters)
    assert from_features.values().tobytes() == from_picture.values().tobytes()


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0", "vgg16", "squeezenet1_1", "vit_b_16"])
def test_all_layers_go_from_shallow_to_deep(load: Load, network: str) -> None:
    model = load(network)
    names, order = all_layers(model), [layer.name for layer in model.layers.layers]
    assert 6 <= len(names) <= 9
    assert len(set(names)) == len(names)
    assert [order.index(name) for name in names] == sorted(order.index(name) for name in names)
    assert np.prod(model.layers.layer(names[-1]).output_shape) == 1000, "the scores of the classes"
    assert all(model.layers.layer(name).spatial for name in names[:-1])


def test_without_a_layer_it_is_one_in_the_middle(tiny: Model, photographs: Photographs) -> None:
    (result,) = feature_inversion(tiny, photographs["china"], [], FEW).results()
    assert result["layer"] == middle_layer(tiny.module, tiny.layers)


def without(array: Features, **changes: Any) -> Features:
    changed = array.copy()
    changed.flat[7] = changes["value"]
    return changed


def test_features_that_cannot_be_wanted(tiny: Model, photographs: Photographs) -> None:
    kept = features(tiny, photographs["china"], "4")
    for bad in (kept[:-1], kept[0], kept[None], np.zeros(0, np.float32), kept.transpose(1, 2, 0)):
        with pytest.raises(InvalidInput, match="shape") as caught:
            feature_inversion(tiny, bad, ["4"], FEW)
        assert (caught.value.field, caught.value.reason) == ("features", "SHAPE_MISMATCH")
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(InvalidInput, match="finite") as caught:
            feature_inversion(tiny, without(kept, value=value), ["4"], FEW)
        assert caught.value.field == "features"
    with pytest.raises(InvalidInput, match="zeros") as caught:
        feature_inversion(tiny, np.zeros_like(kept), ["4"], FEW)
    assert caught.value.field == "features"
    with pytest.raises(InvalidInput) as caught:
        feature_inversion(tiny, kept, ["4", "10"], FEW)
    assert caught.value.field == "layers"
    with pytest.raises(UnknownName) as unknown:
        feature_inversion(tiny, photographs["china"], ["4", "nothing"], FEW)
    assert unknown.value.field == "layers[1]"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("copies", {"copies": 2}),
        ("size", {"size": 64}),
        ("size", {"size": 64, "parameterization": "fourier", "optimizer": "adam", "noise": 0.01}),
        ("stages", {"stages": (Stage(scale=0.5), Stage())}),
        ("stages", {"stages": (Stage(scale=2.0), Stage(scale=1.0))}),
        ("size", {"size": 40, "window": True}),
    ],
)
def test_a_picture_that_has_other_features_is_refused(
    tiny: Model, photographs: Photographs, field: str, values: dict[str, Any]
) -> None:
    """The wanted features are those of a picture of the model's own size."""
    parameters = SynthesisParameters.parse({"steps": 4, **values})
    with pytest.raises(ConvscopeError) as caught:
        inverted(tiny, photographs["china"], ["4"], parameters)
    assert isinstance(caught.value, InvalidInput | InvalidParameter)
    assert caught.value.field == field


def test_a_window_of_the_models_size_has_the_features(tiny: Model, photographs: Photographs) -> None:
    parameters = SynthesisParameters.parse({"steps": 2, "size": 64, "window": True})
    assert inverted(tiny, photographs["china"], ["4"], parameters).values().shape == (1, 64, 64, 3)


def test_a_checkpoint_of_other_features(tiny: Model, photographs: Photographs) -> None:
    data = feature_inversion(tiny, photographs["china"], ["4"], FEW).checkpoint()
    with pytest.raises(CheckpointInvalid, match="source"):
        feature_inversion(tiny, photographs["coffee"], ["4"], FEW, data)
    with pytest.raises(CheckpointInvalid, match="layers"):
        feature_inversion(tiny, photographs["china"], ["10"], FEW, data)


def test_correlation_is_pearsons() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 8, 6), dtype=np.uint8)
    first, second = (Image.fromarray(one) for one in grey)
    expected = np.corrcoef(grey[0].ravel().astype(float), grey[1].ravel().astype(float))[0, 1]
    assert correlation(first, second) == pytest.approx(expected)
    assert correlation(first, first) == pytest.approx(1)
    assert correlation(Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "red")) == 0
