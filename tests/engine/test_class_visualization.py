"""Class visualisation against a loop as one writes it."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import skimage
import torch
from PIL import Image
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, InvalidParameter
from convscope.engine.models.layers import map_layers
from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.synthesis import Synthesis
from tests.engine.reference import Load

TABBY = 281
NETWORKS = ("efficientnet_lite0", "resnet18", "squeezenet1_1")
PLAIN: dict[str, Any] = {"step_size": 3000.0, "momentum": 0.9, "l2": 3e-7}
# What shows most of a class on EfficientNet-Lite0 with pixels alone.
OURS: dict[str, Any] = {
    "step_size": 350.0,
    "momentum": 0.5,
    "l2": 9e-7,
    "jitter": 32,
    "gradient_blur": 1.0,
    "normalization": "norm",
}


def run(model: Model, targets: list[int], **values: Any) -> Synthesis:
    synthesis = class_visualization(model, targets, SynthesisParameters.parse(values))
    for _ in synthesis:
        pass
    return synthesis


def by_hand(model: Model, target: int, values: dict[str, Any], steps: int) -> tuple[Tensor, list[float], list[float]]:
    """The picture's grey levels about the mean, [1, 3, H, W], and each step's loss and score; one picture at a time."""
    size = model.preprocessing
    std = torch.tensor(size.std).view(1, 3, 1, 1)
    generator = torch.Generator().manual_seed(values.get("seed", 0))
    levels = torch.zeros(1, 3, size.height, size.width)
    if values.get("noise"):
        levels += values["noise"] * torch.randn(3, size.height, size.width, generator=generator)
    velocity = torch.zeros_like(levels)
    losses, scores = [], []
    for _ in range(steps):
        levels = levels.detach().requires_grad_()
        seen = levels / (255 * std)
        if values.get("jitter"):
            most = values["jitter"]
            down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
            seen = torch.roll(torch.roll(seen, down, 2), right, 3)
        score = model.module(seen)[0, target]
        loss = values.get("l2", 0) * (levels**2).sum() - score
        loss.backward()
        assert levels.grad is not None
        gradient = -levels.grad
        if values.get("gradient_blur"):
            sigma = (0, 0, values["gradient_blur"], values["gradient_blur"])
            gradient = torch.from_numpy(scipy.ndimage.gaussian_filter(gradient.numpy(), sigma, mode="wrap"))
        if values.get("normalization") == "norm":
            gradient = gradient / gradient.norm()
        velocity = values.get("momentum", 0) * velocity + gradient
        levels = levels + values["step_size"] * velocity
        losses.append(loss.item())
        scores.append(score.item())
    return levels.detach(), losses, scores


@pytest.fixture
def exactly(load: Load) -> Iterator[Load]:
    """Load networks in float64, with a smaller input. In float32 rounding opens and shuts ReLUs, and the ways part
    after a few steps."""

    def exactly(name: str) -> Model:
        torch.set_default_dtype(torch.float32)
        model = load(name)
        torch.set_default_dtype(torch.float64)
        return replace(
            model,
            module=deepcopy(model.module).double(),
            preprocessing=model.preprocessing.model_copy(update={"height": 96, "width": 80}),
        )

    yield exactly
    torch.set_default_dtype(torch.float32)


WAYS = {
    "plain": PLAIN,
    "jitter": PLAIN | {"jitter": 8, "noise": 6.0, "seed": 3},
    "ours": OURS | {"jitter": 5, "noise": 30.0, "gradient_blur": 1.5, "momentum": 0.9},
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_what_one_writes_by_hand(exactly: Load, network: str, way: str) -> None:
    model, values = exactly(network), WAYS[way]
    expected, losses, scores = by_hand(model, TABBY, values, 3)
    synthesis = run(model, [TABBY], steps=3, **values)
    found = synthesis.state().variables
    assert (found - expected).norm() <= 1e-8 * expected.norm()
    history = synthesis.history()
    assert history["step"] == [1, 2, 3]
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-8)
    np.testing.assert_allclose(history["scores"], np.array(scores)[:, None], rtol=1e-8)
    assert synthesis.progress().scores == tuple(history["scores"][-1])


@pytest.mark.parametrize(("network", "way"), [("efficientnet_lite0", "ours"), *(("resnet18", way) for way in WAYS)])
def test_a_batch_is_what_single_runs_give(exactly: Load, network: str, way: str) -> None:
    same(exactly(network), [TABBY, 950], 1e-8, steps=3, **WAYS[way])


def test_a_batch_is_what_single_runs_give_in_float32(load: Load) -> None:
    same(load("efficientnet_lite0"), [TABBY, 950], 1e-4, steps=1, **OURS | {"noise": 30.0})
    same(load("squeezenet1_1"), [TABBY, 950], 1e-4, steps=3, **OURS | {"noise": 30.0})


def same(model: Model, targets: list[int], tolerance: float, **values: Any) -> None:
    together = run(model, targets, **values)
    alone = [run(model, [target], **values) for target in targets]
    for row, single in enumerate(alone):
        found, expected = together.state().variables[row], single.state().variables[0]
        assert (found - expected).norm() <= tolerance * expected.norm()
        assert together.progress().scores[row] == pytest.approx(single.progress().scores[0], rel=tolerance)
    assert together.progress().loss == pytest.approx(np.mean([single.progress().loss for single in alone]))


def test_more_pictures_than_are_held_at_once(exactly: Load) -> None:
    model, targets = exactly("squeezenet1_1"), list(range(10))
    together = run(model, targets, steps=2, **OURS | {"jitter": 4, "noise": 6.0})
    for rows in (slice(0, 1), slice(9, 10)):
        alone = run(model, targets[rows], steps=2, **OURS | {"jitter": 4, "noise": 6.0})
        torch.testing.assert_close(together.state().variables[rows], alone.state().variables)


def test_the_score_rises_far_above_any_photographs(load: Load) -> None:
    model = load("efficientnet_lite0")
    folder = Path(skimage.__file__).parent / "data"
    files = [path for path in folder.iterdir() if path.suffix in (".png", ".jpg")]
    crops = [model.preprocessing.crop(Image.open(path).convert("RGB"))[0] for path in files]
    with torch.no_grad():
        best = model.module(model.preprocessing.normalize(torch.stack(crops)))[:, TABBY].max().item()
    progress = run(model, [TABBY], steps=60, **OURS).progress()
    assert best > 5
    assert progress.scores[0] > 1.5 * best


def test_zeros_are_shown_as_the_mean(load: Load) -> None:
    model = load("resnet18")
    synthesis = class_visualization(model, [0, 1], SynthesisParameters())
    values = synthesis.values()
    assert values.shape == (2, 224, 224, 3)
    assert values.dtype == np.float32
    assert np.abs(values - np.array(model.preprocessing.mean)).max() < 1e-6
    assert (synthesis.step, synthesis.progress().step) == (0, 0)
    assert np.isnan(synthesis.progress().loss)
    assert len(synthesis.progress().scores) == 2
    assert synthesis.history() == {"step": [], "loss": [], "scores": []}


def test_pictures_are_values_in_eight_bits(load: Load) -> None:
    synthesis = run(load("resnet18"), [1], steps=2, **OURS | {"noise": 120.0})
    values = synthesis.values()
    assert (values.min(), values.max()) == (0, 1)
    (picture,) = synthesis.pictures()
    np.testing.assert_array_equal(np.asarray(picture), (255 * values[0]).round().astype(np.uint8))


def test_the_seed_counts(load: Load) -> None:
    model = load("squeezenet1_1")
    first, same, other = (
        run(model, [3], steps=3, **OURS | {"noise": 6.0, "seed": seed}).values() for seed in (5, 5, 2**63 - 1)
    )
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != other.tobytes()


def test_results_say_what_the_saved_picture_is_taken_for(load: Load) -> None:
    """As it is saved: whole grey levels, at the network's own size."""
    model = load("efficientnet_lite0")
    synthesis = run(model, [TABBY, 950], steps=8, copies=2, **OURS | {"noise": 6.0})
    assert (synthesis.over, synthesis.step) == (True, 8)
    assert synthesis.outcome() == {}
    assert synthesis.extra_pictures() == {}
    results, scores = synthesis.results(), synthesis.progress().scores
    assert [(one["target"], one["label"]) for one in results] == [
        (target, model.labels[target]) for target in (TABBY, TABBY, 950, 950)
    ]
    for result, score, picture in zip(results, scores, synthesis.pictures(), strict=True):
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = model.module(model.preprocessing.normalize(pixels)).softmax(1)[0, result["target"]]
        assert result["probability"] == pytest.approx(expected.item(), rel=1e-4)
        assert result["score"] == score
    assert not np.array_equal(*synthesis.values()[:2]), "copies start from noise of their own"


def test_a_picture_of_another_size_is_scaled_whole_to_be_recognized(load: Load) -> None:
    model = load("efficientnet_lite0")
    synthesis = run(model, [TABBY], steps=1, size=96, noise=60.0)
    (picture,) = synthesis.pictures()
    assert picture.size == (96, 96)
    size = (model.preprocessing.width, model.preprocessing.height)
    pixels = torch.from_numpy(np.array(picture.resize(size, Image.Resampling.BICUBIC))).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = model.module(model.preprocessing.normalize(pixels)).softmax(1)[0, TABBY]
    assert synthesis.results()[0]["probability"] == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("output", ["score", "probability", "log_probability"])
def test_what_is_ascended_of_a_class(exactly: Load, output: str) -> None:
    model = exactly("squeezenet1_1")
    values: dict[str, Any] = {"noise": 30.0, "seed": 4, "step_size": 1e4, "output": output}
    synthesis = run(model, [TABBY], steps=1, **values)
    std = torch.tensor(model.preprocessing.std).view(1, 3, 1, 1)
    levels = (30 * torch.randn(1, 3, 96, 80, generator=torch.Generator().manual_seed(4))).requires_grad_()
    scores = model.module(levels / (255 * std))[0]
    said = {"score": scores, "probability": scores.softmax(0), "log_probability": scores.softmax(0).log()}[output]
    (gradient,) = torch.autograd.grad(said[TABBY], levels)
    expected = levels.detach() + 1e4 * gradient
    assert synthesis.progress().scores[0] == pytest.approx(said[TABBY].item(), rel=1e-8)
    assert (synthesis.state().variables - expected).norm() <= 1e-8 * expected.norm()


@pytest.mark.parametrize("parameterization", ["pixels", "fourier"])
def test_a_picture_to_start_from(load: Load, photographs: dict[str, Image.Image], parameterization: str) -> None:
    model, picture = load("squeezenet1_1"), photographs["coffee, square"].resize((224, 224))
    parameters = SynthesisParameters.parse({"parameterization": parameterization})
    synthesis = class_visualization(model, [TABBY, 3], parameters, picture)
    for found in synthesis.pictures():
        apart = np.abs(np.asarray(found).astype(int) - np.asarray(picture))
        # A spectrum's sigmoid comes to a quarter of a level of black and white; float32 may round that to one.
        assert apart.max() <= (0 if parameterization == "pixels" else 1)
    with pytest.raises(InvalidInput, match="224 x 224") as caught:
        class_visualization(model, [TABBY], parameters, photographs["coffee"])
    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_SIZE")


def test_a_cppn_starts_from_no_picture(load: Load) -> None:
    parameters = SynthesisParameters(parameterization="cppn", noise=1.0)
    with pytest.raises(InvalidInput, match="weights") as caught:
        class_visualization(load("squeezenet1_1"), [3], parameters, Image.new("RGB", (224, 224)))
    assert caught.value.field == "image"


@pytest.mark.parametrize(
    ("field", "values"),
    [("size", {"size": 32}), ("stages", {"stages": [{"scale": 0.1}, {"scale": 1.0}]})],
)
def test_a_size_that_the_network_does_not_take(load: Load, field: str, values: dict[str, Any]) -> None:
    """AlexNet's poolings leave nothing of 32 pixels."""
    with pytest.raises(InvalidParameter, match="cannot be run") as caught:
        class_visualization(load("alexnet"), [3], SynthesisParameters.parse(values))
    assert caught.value.field == field


@pytest.mark.parametrize("targets", [[1000], [-1], [3, 1000], [], ["tabby"], [1.0]])
def test_a_class_that_is_not_there(load: Load, targets: list[Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        class_visualization(load("resnet18"), targets, SynthesisParameters())
    assert caught.value.field == "targets"


def test_a_run_away_says_so(load: Load) -> None:
    synthesis = run(load("squeezenet1_1"), [3], steps=6, step_size=1e12, l2=1e6, noise=60.0)
    for ask in (synthesis.values, synthesis.pictures, synthesis.progress):
        with pytest.raises(InvalidParameter, match="step_size"):
            ask()
    assert None in synthesis.history()["loss"]


class WritesToImages(nn.Module):
    """A classifier that changes its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        images *= 2
        scores: Tensor = self.head(images.relu_().mean(dim=(2, 3)))
        return scores


def test_a_network_that_writes_into_its_input(load: Load) -> None:
    torch.manual_seed(0)
    module = WritesToImages().requires_grad_(False)
    layers = map_layers(module, torch.zeros(1, 3, 224, 224))
    assert layers.writes_to_images
    model = replace(load("resnet18"), module=module, layers=layers)
    expected, losses, _ = by_hand(replace(model, module=Cloning(module)), 1, PLAIN | {"noise": 6.0}, 3)
    synthesis = run(model, [1], steps=3, **PLAIN | {"noise": 6.0})
    torch.testing.assert_close(synthesis.state().variables, expected)
    assert synthesis.history()["loss"] == pytest.approx(losses, rel=1e-4)


class Cloning(nn.Module):
    """Hands a copy on."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.module(images.clone())
        return scores
