"""Occlusion covers a window at every place and says how far the probability drops."""

from itertools import product
from typing import Any

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from convscope.engine.errors import InvalidParameter
from convscope.engine.incremental import IncrementalForward
from convscope.engine.models.preprocessing import Preprocessing
from tests.engine.reference import TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding
from tests.engine.scanned import NETWORKS, precise, scanned

# Window and stride by the shorter side of a picture: the windows overlap, and the last do not keep the stride.
WINDOWS = {32: (20, 15), 64: (40, 30)}


@torch.no_grad()
def paper(
    module: nn.Module, image: Tensor, target: int, *, window: int, stride: int, empty: Tensor, output: str = "score"
) -> Tensor:
    """One window after the other, each in a whole pass, in double precision; every pixel the mean of its windows."""

    def value(picture: Tensor) -> float:
        scores = module(picture.unsqueeze(0))[0]
        return float((scores.softmax(dim=0) if output == "probability" else scores)[target])

    height, width = image.shape[1:]
    drops: list[list[list[float]]] = [[[] for _ in range(width)] for _ in range(height)]
    whole = value(image)
    for top in [*range(0, height - window, stride), height - window]:
        for left in [*range(0, width - window, stride), width - window]:
            covered = image.clone()
            rows, columns = slice(top, top + window), slice(left, left + window)
            covered[:, rows, columns] = empty[:, rows, columns]
            drop = whole - value(covered)
            for row in range(top, top + window):
                for column in range(left, left + window):
                    drops[row][column].append(drop)
    return torch.tensor([[[sum(each) / len(each) for each in row] for row in drops]], dtype=torch.float64)


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_the_papers_map_for_every_image_of_a_batch(network: str, load: Load, inputs: Inputs) -> None:
    # In double precision: a score of hundreds less one that is nearly the same leaves few digits of single precision.
    module, images = precise(network, load, inputs)
    window, stride = WINDOWS[min(images.shape[2:])]
    targets = [ClassTarget((target,), output="score") for target in TARGETS]
    found = attribute(module, images, targets, "occlusion", window=window, stride=stride, fill="zero")
    expected = [
        paper(module, image, target, window=window, stride=stride, empty=torch.zeros_like(image))
        for image, target in zip(images, TARGETS, strict=True)
    ]
    assert found.shape == (2, 1, *images.shape[2:])
    assert_same_but_rounding(found, torch.stack(expected))


def test_it_is_the_drop_of_the_probability_unless_the_target_says_otherwise(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    image = inputs(model)[:1]
    found = attribute_fully(model.module, image, 281, "occlusion", window=80, stride=72, fill="zero")
    empty = torch.zeros_like(image[0])
    expected = paper(model.module, image[0], 281, window=80, stride=72, empty=empty, output="probability")
    assert (found.values - expected).abs().max() < 1e-4 * expected.abs().max()
    assert float(found.explained) == pytest.approx(float(model.module(image).softmax(dim=1)[0, 281]), rel=1e-4)


@pytest.mark.parametrize("network", ["alexnet", "resnet18", "efficientnet_lite0"])
def test_it_is_captums_where_the_windows_fill_the_picture(network: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    captum = Occlusion(module).attribute(images, (3, 32, 32), (3, 16, 16), target=TARGETS, perturbations_per_eval=8)
    targets = [ClassTarget((target,), output="score") for target in TARGETS]
    found = attribute(module, images, targets, "occlusion", window=32, stride=16, fill="zero")
    assert_same_but_rounding(found, captum[:, :1])


def test_the_last_window_ends_where_the_picture_does_while_captums_is_cut_off(load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    images = images[:1]
    options: dict[str, Any] = {"window": 28, "stride": 28, "fill": "zero"}
    found = attribute(module, images, [ClassTarget((3,), output="score")], "occlusion", **options)
    expected = paper(module, images[0], 3, window=28, stride=28, empty=torch.zeros_like(images[0]))
    assert_same_but_rounding(found, expected.unsqueeze(0))
    captum = Occlusion(module).attribute(images, (3, 28, 28), (3, 28, 28), target=3)[:, :1]
    assert (captum - found).abs().max() > 0.01 * found.abs().max()


def test_a_unit_is_explained_by_whole_passes(load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    image = images[:1]
    found = attribute(module, image, UnitTarget("layer4", 7), "occlusion", window=32, stride=32, fill="zero")
    corners = list(product((0, 32), (0, 32, 64)))
    seen: list[Tensor] = []
    handle = module.get_submodule("layer4").register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        module(image)
        for top, left in corners:
            covered = image.clone()
            covered[:, :, top : top + 32, left : left + 32] = 0
            module(covered)
    handle.remove()
    whole, *parts = [float(output[0, 7].mean()) for output in seen]
    for (top, left), part in zip(corners, parts, strict=True):
        assert float(found[0, 0, top + 20, left + 10]) == pytest.approx(whole - part, rel=1e-9)


@pytest.mark.parametrize(
    ("fill", "shade"),
    [({"fill": "grey"}, 0.5), ({"fill_color": (0.2, 0.2, 0.2)}, 0.2), ({}, 0.5)],
    ids=["grey", "a colour", "by default grey"],
)
def test_the_window_is_covered_with_what_is_asked_for(
    fill: dict[str, Any], shade: float, load: Load, inputs: Inputs
) -> None:
    module, images = precise("efficientnet_lite0", load, inputs)
    image = images[:1]
    preprocessing: Preprocessing = load("efficientnet_lite0").preprocessing
    empty = torch.ones_like(image[0])
    for channel in range(3):
        empty[channel] *= (shade - preprocessing.mean[channel]) / preprocessing.std[channel]
    expected = paper(module, image[0], 281, window=32, stride=32, empty=empty, output="probability")
    found = attribute_fully(module, image, 281, "occlusion", preprocessing=preprocessing, window=32, stride=32, **fill)
    assert_same_but_rounding(found.values, expected.unsqueeze(0))


def test_a_window_as_large_as_the_picture_covers_it_once(load: Load, inputs: Inputs) -> None:
    model = load("alexnet")
    image = inputs(model)[:1]
    target = ClassTarget((3,), output="score")
    found = attribute(model.module, image, target, "occlusion", window=224, stride=224, fill="zero")
    scores, empty = model.module(image), model.module(torch.zeros_like(image))
    assert torch.allclose(found, (scores - empty)[0, 3].expand_as(found), rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"window": 225}, "window"),
        ({"window": 0}, "window"),
        ({"stride": 0}, "stride"),
        ({"window": 16, "stride": 17}, "stride"),
        ({"fill": "red"}, "fill"),
        ({"fill_color": (0.5, 0.5)}, "fill_color"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict[str, Any], field: str, load: Load, inputs: Inputs) -> None:
    model = load("alexnet")
    with pytest.raises(InvalidParameter) as caught:
        attribute(model.module, inputs(model)[:1], 3, "occlusion", **options)
    assert caught.value.field == field


def test_progress_rises_to_the_number_of_windows_of_all_pictures(load: Load, inputs: Inputs) -> None:
    module, images = scanned("resnet18", load, inputs)
    told: list[tuple[int, int]] = []
    attribute_fully(
        module,
        images,
        3,
        "occlusion",
        window=32,
        stride=8,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == sorted(told)
    assert told[0] == (0, 90)
    assert told[-1] == (90, 90)


def test_out_of_memory_halves_what_is_run_at_once(load: Load, inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    module, images = scanned("resnet18", load, inputs)
    image = images[:1]
    expected = attribute(module, image, 3, "occlusion", window=16, stride=8)
    run = IncrementalForward._part
    sizes: list[int] = []

    def part(self: IncrementalForward, *arguments: Any) -> Tensor:
        members = arguments[-1]
        if len(members) > 2:
            raise torch.OutOfMemoryError("no room for so many")
        sizes.append(len(members))
        return run(self, *arguments)

    monkeypatch.setattr(IncrementalForward, "_part", part)
    found = attribute(module, image, 3, "occlusion", window=16, stride=8)
    assert sum(sizes) == 77
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
