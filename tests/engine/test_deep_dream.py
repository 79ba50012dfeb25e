"""DeepDream against the published code, written again in the test."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, MethodUnsupported, UnknownName
from convscope.engine.models.layers import map_layers
from convscope.engine.models.model import Model
from convscope.engine.synthesis.deep_dream import DeepDream, deep_dream
from convscope.engine.synthesis.layer_output import LayerOutput
from convscope.engine.synthesis.middle_layer import middle_layer
from convscope.engine.synthesis.objectives.guide_match import GuideMatch
from convscope.engine.synthesis.objectives.layer_energy import LayerEnergy
from convscope.engine.synthesis.parameters import DeepDreamParameters
from tests.engine.reference import Load

Values = NDArray[np.floating[Any]]
Photographs = dict[str, Image.Image]
MIDDLE = {
    "efficientnet_lite0": "blocks.8",
    "resnet18": "layer3",
    "resnet50": "layer3",
    "googlenet": "inception4c",
    "inception_v3": "Mixed_6c",
    "vgg16": "features.20",
    "densenet121": "features.denseblock3",
}


def run(model: Model, picture: Image.Image, guide: Image.Image | None = None, **values: Any) -> DeepDream:
    dream = deep_dream(model, picture, DeepDreamParameters.parse(values), guide)
    for _ in dream:
        pass
    return dream


def normalized(model: Model, grey: Tensor) -> Tensor:
    mean, std = (torch.tensor(c).view(1, 3, 1, 1) for c in (model.preprocessing.mean, model.preprocessing.std))
    return (grey / 255 - mean) / std


def activation(model: Model, layer: str, images: Tensor) -> Tensor:
    """The layer's output of a pass through all of the network."""
    outputs: list[Tensor] = []
    part = model.module.get_submodule(layer)
    handle = part.register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    try:
        model.module(images)
    finally:
        handle.remove()
    return outputs[-1]


def grey_levels(picture: Image.Image) -> Tensor:
    return torch.tensor(np.array(picture), dtype=torch.get_default_dtype()).permute(2, 0, 1).unsqueeze(0)


@pytest.fixture
def exactly(load: Load) -> Iterator[Load]:
    """Load networks in float64. In float32 rounding opens and shuts ReLUs, and the ways part after a few
    steps."""

    def exactly(name: str) -> Model:
        torch.set_default_dtype(torch.float32)
        model = load(name)
        torch.set_default_dtype(torch.float64)
        return replace(model, module=deepcopy(model.module).double())

    yield exactly
    torch.set_default_dtype(torch.float32)


def zoomed(images: Values, down: float, right: float) -> Values:
    # The mode only counts where rounding puts the last row outside.
    values: Values = scipy.ndimage.zoom(images, (1, 1, down, right), order=1, mode="nearest")
    return values


def by_hand(
    model: Model,
    picture: Image.Image,
    layer: str,
    parameters: DeepDreamParameters,
    guide: Image.Image | None = None,
) -> tuple[Tensor, list[float]]:
    """deepdream() and make_step() of the published code: the picture in grey levels, and each step's score."""
    generator = torch.Generator().manual_seed(parameters.seed)
    channels = list(parameters.channels) or slice(None)
    octaves = [grey_levels(picture).numpy()]
    for _ in range(parameters.octaves - 1):
        scale = 1 / parameters.octave_scale
        octaves.append(zoomed(octaves[-1], scale, scale))
    detail = np.zeros_like(octaves[-1])
    scores = []
    for base in octaves[::-1]:
        (h, w), (h1, w1) = base.shape[-2:], detail.shape[-2:]
        detail = zoomed(detail, h / h1, w / w1)
        image = torch.from_numpy(base + detail)
        for _ in range(parameters.steps):
            if parameters.jitter:
                most = parameters.jitter
                down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
            else:
                down = right = 0
            image = torch.roll(torch.roll(image, right, -1), down, -2).requires_grad_()
            y = activation(model, layer, normalized(model, image))[:, channels]
            if guide is None:
                score = (y**2).sum() / 2
            else:
                x = y.detach()[0].flatten(1)
                features = activation(model, layer, normalized(model, grey_levels(guide)))[0, channels].flatten(1)
                chosen = features[:, (x.T @ features).argmax(1)].reshape(y.shape)
                score = (y * chosen).sum()
            (gradient,) = torch.autograd.grad(score, image)
            image = image.detach() + parameters.step_size / gradient.abs().mean() * gradient
            image = torch.roll(torch.roll(image, -right, -1), -down, -2).clip(0, 255)
            scores.append(score.item())
        detail = image.numpy() - base
    return image, scores


def small(picture: Image.Image, width: int = 160) -> Image.Image:
    return picture.resize((width, width * picture.height // picture.width))


@pytest.mark.parametrize(
    ("network", "layer", "values"),
    [
        ("efficientnet_lite0", "blocks.8", {"steps": 2, "octaves": 2}),
        ("efficientnet_lite0", "blocks.5._swish", {"steps": 1, "octaves": 1, "channels": (3, 100, 7)}),
        ("resnet18", "layer3", {"steps": 1, "octaves": 3, "jitter": 0, "octave_scale": 1.3}),
        ("resnet18", "layer2.0.relu", {"steps": 1, "octaves": 1}),
        ("googlenet", "inception4c", {"steps": 1, "octaves": 2, "step_size": 3.0, "seed": 4}),
        ("squeezenet1_1", "features.6", {"steps": 2, "octaves": 2, "channels": (1, 4, 90)}),
    ],
)
@pytest.mark.parametrize("guided", [False, True])
def test_it_is_what_the_published_code_does(  # noqa: PLR0917  # what is varied
    exactly: Load, photographs: Photographs, network: str, layer: str, values: dict[str, Any], guided: bool
) -> None:
    model, picture = exactly(network), small(photographs["chelsea"])
    guide = small(photographs["coffee"], 140) if guided else None
    expected, scores = by_hand(model, picture, layer, DeepDreamParameters.parse(values), guide)
    dream = run(model, picture, guide, layer=layer, **values)
    moved = expected - grey_levels(picture)
    assert (dream.state().variables - expected).norm() <= 1e-6 * moved.norm()
    assert dream.layer == layer
    np.testing.assert_allclose([row[0] for row in dream.history()["scores"]], scores, rtol=1e-6)
    np.testing.assert_allclose(dream.history()["loss"], -np.array(scores), rtol=1e-6)
    np.testing.assert_allclose(dream.values()[0], expected[0].permute(1, 2, 0) / 255, atol=1e-6)


@pytest.mark.parametrize("network", ["efficientnet_lite0", "resnet18", "googlenet", "vgg16"])
@pytest.mark.parametrize("channels", [(), (5, 2)])
def test_setting_the_gradient_to_the_activation_ascends_half_the_squared_norm(
    load: Load, photographs: Photographs, network: str, channels: tuple[int, ...]
) -> None:
    model, layer = load(network), MIDDLE[network]
    images = normalized(model, grey_levels(small(photographs["chelsea"], 224))).requires_grad_()
    score = LayerEnergy(LayerOutput(model, layer, channels))(images, [0])
    (found,) = torch.autograd.grad(score.sum(), images)
    half = activation(model, layer, images)[:, list(channels) or slice(None)].square().sum() / 2
    (expected,) = torch.autograd.grad(half, images)
    assert (found - expected).norm() <= 1e-5 * expected.norm()
    assert score.item() == pytest.approx(half.item(), rel=1e-5)


def test_the_gradient_is_that_of_finite_differences(load: Load) -> None:
    """In float64, as differences in float32 are too coarse."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 5, 3)).double().requires_grad_(False)
    images = torch.randn(1, 3, 12, 12, dtype=torch.float64)
    model = replace(load("resnet18"), module=module, layers=map_layers(module, images))
    objective = LayerEnergy(LayerOutput(model, "2"))
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(leaf, [0]).sum(), leaf)
    way = torch.randn_like(images)
    ahead, behind = (objective(images + step * way, [0]).item() for step in (1e-5, -1e-5))
    assert (ahead - behind) / 2e-5 == pytest.approx((gradient * way).sum().item(), rel=1e-5)


def test_a_large_guide_is_looked_through_in_parts(
    load: Load, photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("resnet18")
    images = normalized(model, grey_levels(small(photographs["chelsea"]))).requires_grad_()
    guide = normalized(model, grey_levels(small(photographs["rocket"])))

    def gradient() -> Tensor:
        score = GuideMatch(LayerOutput(model, "layer3"), guide)(images, [0])
        (found,) = torch.autograd.grad(score.sum(), images)
        return found

    whole = gradient()
    monkeypatch.setattr("convscope.engine.synthesis.objectives.guide_match.MOST", 1)
    torch.testing.assert_close(gradient(), whole)


@pytest.mark.parametrize("network", MIDDLE)
def test_the_middle_layer(load: Load, network: str) -> None:
    model = load(network)
    assert middle_layer(model.module, model.layers) == MIDDLE[network]


@pytest.mark.parametrize("name", ["chelsea", "china, portrait", "coffee, square"])
def test_a_picture_keeps_its_proportions(load: Load, photographs: Photographs, name: str) -> None:
    dream = deep_dream(load("resnet18"), photographs[name], DeepDreamParameters.parse({"steps": 1, "size": 128}))
    width, height = (round(side * 128 / max(photographs[name].size)) for side in photographs[name].size)
    # A picture of every octave has the size of the whole one.
    assert {state.values().shape for state in dream} == {(1, height, width, 3)}
    assert dream.total == 4


def test_a_small_picture_is_not_made_larger(load: Load, photographs: Photographs) -> None:
    picture = small(photographs["chelsea"], 130)
    dream = deep_dream(load("resnet18"), picture, DeepDreamParameters(octaves=1))
    np.testing.assert_array_equal(np.asarray(dream.pictures()[0]), np.asarray(picture))


def test_what_is_shown_between_octaves_is_the_whole_picture_with_the_detail(
    load: Load, photographs: Photographs
) -> None:
    picture = small(photographs["china"])
    dream = deep_dream(load("resnet18"), picture, DeepDreamParameters(steps=1, octaves=2))
    before = dream.values()
    np.testing.assert_allclose(255 * before[0], np.asarray(picture), atol=1e-3)
    dream.advance()
    state = dream.state()
    after = state.values()
    assert 0 < np.abs(after - before).mean() < 0.02
    dream.advance()
    assert np.array_equal(state.values(), after), "a state stays what it is"


def test_the_seed_counts_and_jitter_moves(load: Load, photographs: Photographs) -> None:
    model, picture = load("resnet18"), small(photographs["china"], 100)
    values: dict[str, Any] = {"steps": 2, "octaves": 1}
    first, same, other = (run(model, picture, **values, seed=seed).values() for seed in (1, 1, 2))
    still = [run(model, picture, **values, seed=seed, jitter=0).values() for seed in (1, 2)]
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != other.tobytes()
    assert still[0].tobytes() == still[1].tobytes()


@pytest.mark.parametrize(
    ("network", "values", "field", "error"),
    [
        ("resnet18", {"layer": "layer9"}, "layer", UnknownName),
        ("resnet18", {"layer": ""}, "layer", UnknownName),
        ("resnet18", {"layer": "fc"}, "layer", InvalidInput),
        ("resnet18", {"layer": "avgpool"}, "layer", InvalidInput),
        ("resnet18", {"layer": "layer1", "channels": (0, 64)}, "channels", InvalidInput),
        ("vit_b_16", {}, "layer", MethodUnsupported),
    ],
)
def test_a_layer_or_channel_that_cannot_be_used(  # noqa: PLR0917  # what is varied
    load: Load, cat: Image.Image, network: str, values: dict[str, Any], field: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        deep_dream(load(network), cat, DeepDreamParameters.parse(values))
    assert getattr(caught.value, "field", "") == field


@pytest.mark.parametrize(
    ("network", "layer", "size", "octaves"),
    [("resnet18", None, (64, 10), 1), ("resnet18", None, (64, 64), 10), ("alexnet", "features.11", (40, 40), 2)],
)
def test_a_picture_that_is_too_small(
    load: Load, network: str, layer: str | None, size: tuple[int, int], octaves: int
) -> None:
    with pytest.raises(InvalidInput, match="too small") as caught:
        deep_dream(load(network), Image.new("RGB", size), DeepDreamParameters(octaves=octaves, layer=layer))
    assert caught.value.field == "image"


def test_a_guide_that_is_too_small(load: Load, cat: Image.Image) -> None:
    with pytest.raises(InvalidInput, match="too small") as caught:
        deep_dream(load("resnet18"), cat, DeepDreamParameters(), guide=Image.new("RGB", (8, 8)))
    assert caught.value.field == "guide"


def test_a_layer_that_sees_nothing_moves_nothing(load: Load) -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()).requires_grad_(False)
    nn.init.constant_(module[0].bias, -1e6)  # type: ignore[arg-type]
    model = replace(load("resnet18"), module=module, layers=map_layers(module, torch.zeros(1, 3, 224, 224)))
    picture = Image.new("RGB", (64, 48), (10, 20, 30))
    dream = run(model, picture, layer="1", steps=2, octaves=1)
    np.testing.assert_array_equal(np.asarray(dream.pictures()[0]), np.asarray(picture))


def test_grids_of_a_swin(load: Load, photographs: Photographs) -> None:
    dream = run(load("swin_t"), small(photographs["china"], 192), steps=1, octaves=1, jitter=0)
    assert dream.layer.startswith("features.5")
    assert np.isfinite(dream.progress().loss)


def test_a_picture_of_another_mode(load: Load, cat: Image.Image) -> None:
    dream = run(load("resnet18"), small(cat, 96).convert("L"), steps=1, octaves=1)
    assert dream.values().shape == (1, 63, 96, 3)
