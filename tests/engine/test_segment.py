"""GrabCut cuts out what a map points to."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.segment import seeds_of
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.errors import InvalidInput, InvalidParameter, UnknownName
from convscope.engine.imaging.box import heatmap_box
from convscope.engine.models.model import Model
from convscope.engine.models.preprocessing import Preprocessing
from tests.engine.reference import Load

MAPS = ("saliency", "grad_cam")
# By hand, in the 224 x 224 pixels that the network sees.
THINGS: dict[str, tuple[int, int, int, int]] = {
    "chelsea": (0, 40, 215, 215),
    "coffee": (30, 0, 185, 165),
    "flower": (20, 33, 192, 224),
    "china": (0, 5, 132, 208),
}


@pytest.fixture(scope="module")
def model(load: Load) -> Model:
    return load("efficientnet_lite0")


@pytest.fixture(scope="module")
def pictures(photographs: dict[str, Image.Image], model: Model) -> dict[str, Tensor]:
    """Pixels as the network sees them, uint8 [3, 224, 224]."""
    whole = photographs | {"flower": Image.fromarray(load_sample_image("flower.jpg"))}
    return {name: model.preprocessing.crop(whole[name])[0] for name in THINGS}


def cut_out(model: Model, pixels: Tensor, **parameters: Any) -> Attribution:
    images = model.preprocessing.normalize(pixels.unsqueeze(0))
    return attribute_fully(model.module, images, None, "segment", preprocessing=model.preprocessing, **parameters)


def start_of(model: Model, pixels: Tensor, name: str) -> NDArray[np.float32]:
    """The map that the cut starts from, [H, W]."""
    found = attribute(model.module, model.preprocessing.normalize(pixels.unsqueeze(0)), None, name)[0, 0]
    size = pixels.shape[1:]
    if name == "grad_cam":
        upsampled = Image.fromarray(found.numpy()).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.array(upsampled)
    return np.asarray(cv2.GaussianBlur(found.numpy(), (0, 0), min(size) / 7, borderType=cv2.BORDER_CONSTANT))


def by_hand(pixels: Tensor, start: NDArray[np.float32], high: float, low: float, iterations: int) -> NDArray[np.bool_]:
    seeds = np.empty(start.shape, dtype=np.uint8)
    for place, value in np.ndenumerate(start):
        if value > np.quantile(start, high):
            seeds[place] = cv2.GC_FGD
        elif value <= np.quantile(start, low):
            seeds[place] = cv2.GC_BGD
        else:
            seeds[place] = cv2.GC_PR_FGD if value > np.quantile(start, (high + low) / 2) else cv2.GC_PR_BGD
    bgr = cv2.cvtColor(pixels.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2BGR)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(bgr, seeds, (0, 0, 1, 1), *models, iterations, cv2.GC_INIT_WITH_MASK)
    return np.asarray(seeds % 2 == 1)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize(
    ("photograph", "parameters"),
    [("coffee", {}), ("china", {"foreground": 0.8, "background": 0.5, "iterations": 2})],
    ids=["defaults", "others"],
)
def test_it_is_grabcut_from_the_quantiles_of_the_map(
    name: str, photograph: str, parameters: dict[str, Any], pictures: dict[str, Tensor], model: Model
) -> None:
    pixels = pictures[photograph]
    small = cv2.resize(pixels.permute(1, 2, 0).numpy(), (96, 80), interpolation=cv2.INTER_AREA)
    pixels = torch.from_numpy(small).permute(2, 0, 1)
    found = cut_out(model, pixels, map=name, **parameters)
    start = start_of(model, pixels, name)
    high, low = parameters.get("foreground", 0.95), parameters.get("background", 0.3)
    expected = by_hand(pixels, start, high, low, parameters.get("iterations", 5))
    assert found.values.shape == (1, 1, 80, 96)
    assert np.array_equal(found.values[0, 0].numpy(), expected)
    assert expected.any()
    assert found.segmentations[0].heatmap_box == heatmap_box(start)


def test_zeros_up_to_a_quantile_are_surely_not_the_thing() -> None:
    """Of Grad-CAM often more than the lowest quantile: what speaks against the class."""
    heatmap = np.array([[0, 0, 0, 0, 0, 1, 2, 3, 4, 9]], dtype=np.float32)
    surely, not_surely = cv2.GC_FGD, cv2.GC_BGD
    perhaps, hardly = cv2.GC_PR_FGD, cv2.GC_PR_BGD
    expected = [not_surely] * 5 + [hardly, perhaps, perhaps, perhaps, surely]
    assert seeds_of(heatmap, 0.95, 0.3).tolist() == [expected]


def test_saliency_is_smoothed_by_a_seventh_of_the_shorter_side(pictures: dict[str, Tensor], model: Model) -> None:
    raw = attribute(model.module, model.preprocessing.normalize(pictures["coffee"].unsqueeze(0)), None, "saliency")
    expected = ndimage.gaussian_filter(raw[0, 0].double().numpy(), 224 / 7, mode="constant")
    found = start_of(model, pictures["coffee"], "saliency")
    assert float(np.abs(found - expected).max()) < 1e-3 * float(expected.max())


@pytest.mark.parametrize(
    ("photograph", "name"),
    [*((photograph, "grad_cam") for photograph in THINGS), ("chelsea", "saliency"), ("coffee", "saliency"),
     ("flower", "saliency")],
)  # fmt: skip
def test_of_a_photograph_the_thing_is_cut_out(
    photograph: str, name: str, pictures: dict[str, Tensor], model: Model
) -> None:
    mask = cut_out(model, pictures[photograph], map=name).values[0, 0].bool()
    left, top, right, bottom = THINGS[photograph]
    thing = torch.zeros_like(mask)
    thing[top:bottom, left:right] = True
    assert mask[thing].sum() > 0.3 * thing.sum()
    assert mask[~thing].sum() < 0.05 * mask.sum()


@pytest.mark.parametrize("name", MAPS)
def test_boxes_and_outlines_are_those_of_the_mask(name: str, pictures: dict[str, Tensor], model: Model) -> None:
    found = cut_out(model, pictures["flower"], map=name)
    mask = found.values[0, 0].numpy().astype(np.uint8)
    (segmentation,) = found.segmentations
    rows, columns = np.nonzero(mask)
    assert segmentation.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert segmentation.note == ""
    # Each outline is a part, without its holes, but for the pixel by which it is simplified.
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = []
    for outline in segmentation.outlines:
        drawing = np.zeros_like(mask)
        cv2.fillPoly(drawing, [np.array(outline)], 1)
        (number,) = {parts[y, x] for x, y in outline}
        part = ndimage.binary_fill_holes(parts == number)
        near = ndimage.binary_dilation(part, iterations=2)
        assert not (drawing & ~near).any()
        assert not (ndimage.binary_erosion(part, iterations=2) & ~drawing.astype(bool)).any()
        sizes.append(part.sum())
    assert len(sizes) == count
    assert sizes[0] == max(sizes)
    edge = mask & ~ndimage.binary_erosion(mask)
    assert len(segmentation.outlines[0]) < edge.sum() / 3


class Painted(nn.Module):
    """Its map is what was painted: of saliency the weights, of grad_cam the weights where they are positive."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights
        self.layer = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.ones_(self.layer.weight)

    def forward(self, images: Tensor) -> Tensor:
        layer = self.layer(images)
        return torch.cat([(layer * self.weights).sum(dim=(2, 3)), layer.mean(dim=(2, 3))], dim=1)


def noise(height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def painted(weights: Tensor, pixels: Tensor, **parameters: Any) -> Attribution:
    images = Preprocessing(mean=(0, 0, 0)).normalize(pixels.unsqueeze(0))
    module = Painted(weights)
    return attribute_fully(module, images, 0, "segment", preprocessing=Preprocessing(mean=(0, 0, 0)), **parameters)


def assert_empty(found: Attribution) -> None:
    assert not found.values.any()
    (segmentation,) = found.segmentations
    assert segmentation.box is None
    assert segmentation.outlines == ()
    assert segmentation.note


@pytest.mark.parametrize(("value", "box"), [(0.0, None), (2.0, (0, 0, 30, 20))])
def test_a_map_that_is_the_same_everywhere_cuts_out_nothing(
    value: float, box: tuple[int, int, int, int] | None
) -> None:
    found = painted(torch.full((20, 30), value), noise(20, 30))
    assert_empty(found)
    assert found.segmentations[0].heatmap_box == box


def test_a_grad_cam_of_zeros_cuts_out_nothing() -> None:
    found = painted(torch.full((20, 30), -1.0), noise(20, 30), map="grad_cam")
    assert_empty(found)
    assert found.segmentations[0].heatmap_box is None


def test_quantiles_over_which_nothing_lies_cut_out_nothing() -> None:
    """All but a corner of this picture is black, and so is the map; what is left is the highest value, not over it."""
    pixels = torch.full((3, 20, 30), 255, dtype=torch.uint8)
    pixels[:, :2, :2] = 0
    assert_empty(painted(torch.ones(20, 30), pixels, map="grad_cam", foreground=0.9, background=0.8))


@pytest.mark.parametrize(
    ("foreground", "background"), [(1.0, 0.0), (1.0, 0.99), (1e-6, 0.0), (0.001, 0.0005), (0.999, 0.998), (0.5, 0.49)]
)
@pytest.mark.parametrize("name", MAPS)
def test_no_quantiles_break_it(name: str, foreground: float, background: float, model: Model) -> None:
    found = cut_out(model, noise(32, 48), map=name, foreground=foreground, background=background)
    assert bool(found.values.any()) == (found.segmentations[0].note == "")
    assert ((found.values == 0) | (found.values == 1)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (1, 40), (3, 3)])
@pytest.mark.parametrize("name", MAPS)
def test_nor_does_a_tiny_picture(name: str, size: tuple[int, int]) -> None:
    weights = torch.arange(float(size[0] * size[1])).view(size)
    pixels = noise(*size)
    if name == "grad_cam" and size == (1, 1):
        return  # no layer of it has a grid
    found = painted(weights, pixels, map=name)
    assert found.values.shape == (1, 1, *size)


@pytest.mark.parametrize("color", [0, 255])
def test_nor_does_a_picture_of_one_colour(color: int, model: Model) -> None:
    found = cut_out(model, torch.full((3, 64, 64), color, dtype=torch.uint8))
    assert ((found.values == 0) | (found.values == 1)).all()


def test_a_batch_gives_what_its_pictures_give_alone_and_again(pictures: dict[str, Tensor], model: Model) -> None:
    images = model.preprocessing.normalize(torch.stack([pictures["coffee"], pictures["flower"]]))
    seen: list[tuple[int, int]] = []
    parameters: dict[str, Any] = {"preprocessing": model.preprocessing, "map": "grad_cam", "iterations": 2}
    targets = [ClassTarget(), ClassTarget((985,))]
    together = attribute_fully(
        model.module, images, targets, "segment", progress=lambda *counts: seen.append(counts), **parameters
    )
    assert seen == [(0, 2), (1, 2), (2, 2)]
    again = attribute_fully(model.module, images, targets, "segment", **parameters)
    assert torch.equal(together.values, again.values)
    assert together.segmentations == again.segmentations
    for row, target in enumerate(targets):
        alone = attribute_fully(model.module, images[row : row + 1], target, "segment", **parameters)
        differing = (alone.values != together.values[row : row + 1]).float().mean()
        # Rounding may move a seed, and with it a few pixels on the edge.
        assert differing < 0.005
        assert alone.targets.each == together.targets.each[row : row + 1]
        assert torch.allclose(alone.explained, together.explained[row : row + 1], rtol=1e-4)


def test_the_layer_is_that_of_grad_cam(pictures: dict[str, Tensor], model: Model) -> None:
    deep = cut_out(model, pictures["coffee"], map="grad_cam", layer="head", iterations=1)
    early = cut_out(model, pictures["coffee"], map="grad_cam", layer="blocks.3", iterations=1)
    assert torch.equal(deep.values, cut_out(model, pictures["coffee"], map="grad_cam", iterations=1).values)
    assert not torch.equal(early.values, deep.values)
    with pytest.raises(UnknownName) as unknown:
        cut_out(model, pictures["coffee"], map="grad_cam", layer="heat")
    assert unknown.value.field == "layer"
    with pytest.raises(InvalidInput) as flat:
        cut_out(model, pictures["coffee"], map="grad_cam", layer="fc")
    assert flat.value.field == "layer"


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("map", {"map": "rise"}),
        ("map", {"map": 3}),
        ("layer", {"layer": "head"}),
        ("layer", {"layer": "head", "map": "saliency"}),
        ("foreground", {"foreground": 0.0}),
        ("foreground", {"foreground": 1.1}),
        ("foreground", {"foreground": float("nan")}),
        ("background", {"background": -0.1}),
        ("background", {"background": 0.95}),
        ("background", {"foreground": 0.2}),
        ("background", {"foreground": 0.5, "background": 0.6}),
        ("iterations", {"iterations": 0}),
        ("iterations", {"iterations": 51}),
        ("iterations", {"iterations": 2.0}),
        ("threshold", {"threshold": 0.15}),
    ],
    ids=str,
)
def test_a_bad_parameter_is_named(field: str, parameters: dict[str, Any], model: Model) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cut_out(model, noise(32, 32), **parameters)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(),
        Preprocessing(mean=(0.498, 0.498, 0.498), std=(0.502, 0.502, 0.502)),
        Preprocessing(mean=(0, 0, 0), std=(1 / 255, 1, 255)),
    ],
    ids=["imagenet", "efficientnet-lite", "odd"],
)
def test_pixels_come_back_exactly(preprocessing: Preprocessing) -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    back = preprocessing.denormalize(preprocessing.normalize(levels))
    assert back.dtype == torch.uint8
    assert torch.equal(back, levels)


def test_what_is_no_picture_becomes_one() -> None:
    assert Preprocessing().denormalize(torch.full((1, 3, 2, 2), 99.0)).eq(255).all()
    assert Preprocessing().denormalize(torch.full((1, 3, 2, 2), -99.0)).eq(0).all()
