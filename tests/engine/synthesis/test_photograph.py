"""What an attack shows the network is what the model sees of the file."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convscope.engine.models.model import Model
from convscope.engine.synthesis.attacks.photograph import Photograph

Photographs = dict[str, Image.Image]
SIZES = {
    "larger": (451, 300),
    "portrait": (200, 427),
    "smaller": (70, 51),
    "long and thin": (400, 40),
    "the model's": (80, 96),
}


def model_of(tiny: Model, interpolation: str, resize: int = 110) -> Model:
    """For pictures of 96 x 80."""
    changes = {"interpolation": interpolation, "resize": resize, "height": 96, "width": 80}
    return replace(tiny, preprocessing=tiny.preprocessing.model_copy(update=changes))


def seen(photograph: Photograph, model: Model, levels: Tensor) -> Tensor:
    """What the network is shown, as grey levels [1, 3, H, W]."""
    mean, std = (torch.tensor(c).view(1, 3, 1, 1) for c in (model.preprocessing.mean, model.preprocessing.std))
    return 255 * (photograph.images(levels) * std + mean)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["chelsea", "china"])
def test_the_network_is_shown_what_preprocessing_makes_of_the_picture(
    tiny: Model, photographs: Photographs, interpolation: str, size: str, name: str
) -> None:
    """Within one grey level in over 99 % of the values: Pillow rounds to 8 bits after scaling rows and again after
    scaling columns, we once."""
    model, picture = model_of(tiny, interpolation), photographs[name].resize(SIZES[size])
    photograph = Photograph(model, picture, 1, torch.round)
    found = seen(photograph, model, photograph.original)
    expected, _ = model.preprocessing.crop(picture)
    apart = (found[0] - expected).abs()
    # Levels are whole on both sides but for float32.
    assert (apart < 1.01).float().mean() > 0.99
    assert apart.max() < 3.01, "an overshoot of the cubic kernel that the first rounding clips"
    if interpolation == "nearest":
        assert apart.max() < 0.01


def test_a_picture_of_the_models_size_that_is_not_scaled_is_shown_as_it_is(
    tiny: Model, photographs: Photographs
) -> None:
    changes = {"height": 96, "width": 96, "resize": 96}
    model = replace(tiny, preprocessing=tiny.preprocessing.model_copy(update=changes))
    picture = photographs["coffee"].resize((96, 96))
    photograph = Photograph(model, picture, 1, torch.round)
    pixels, _ = model.preprocessing.crop(picture)
    torch.testing.assert_close(photograph.images(photograph.original), model.preprocessing.normalize(pixels[None]))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", ["larger", "smaller"])
def test_the_gradient_is_the_transposed_map(
    tiny: Model, photographs: Photographs, interpolation: str, size: str
) -> None:
    """Against differences of Pillow's own scaling of numbers that nothing rounds. It is linear, so that a difference
    is as good as a derivative."""
    model, picture = model_of(tiny, interpolation), photographs["chelsea"].resize(SIZES[size])
    photograph = Photograph(model, picture, 1, torch.round)
    leaf = photograph.original.clone().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    way = torch.randn(1, 3, 96, 80, generator=generator)
    (gradient,) = torch.autograd.grad((way * photograph.images(leaf)).sum(), leaf)
    change = torch.randn(leaf.shape, generator=generator)
    resampling, region = Image.Resampling[interpolation.upper()], model.preprocessing.region(*picture.size)
    scale = partial(Image.Image.resize, size=(80, 96), resample=resampling, box=region)
    difference = 0.0
    for colour, std in enumerate(model.preprocessing.std):
        moved = np.asarray(scale(Image.fromarray(change[0, colour].numpy())), dtype=np.float64)
        difference += float((way[0, colour].numpy() * moved).sum() / (255 * std))
    # Sums of 10^5 float32 numbers that cancel, over their size.
    size_of_sum = float((gradient.abs() * change.abs()).sum())
    assert abs(float((gradient * change).sum()) - difference) < 1e-5 * size_of_sum


def test_what_the_model_crops_away_has_no_gradient(tiny: Model, photographs: Photographs) -> None:
    model, picture = model_of(tiny, "bilinear", resize=96), photographs["china"]
    photograph = Photograph(model, picture, 1, torch.round)
    leaf = photograph.original.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(photograph.images(leaf).sum(), leaf)
    left, _, right, _ = model.preprocessing.region(*picture.size)
    # The kernel reaches one scaled pixel further.
    reach = 427 / 96
    assert not gradient[..., : int(left - reach)].any()
    assert not gradient[..., int(right + reach) + 1 :].any()
    assert gradient[..., int(left + reach) : int(right - reach)].all()


def test_the_network_is_shown_whole_levels_and_the_file_has_them(tiny: Model, photographs: Photographs) -> None:
    model = model_of(tiny, "bicubic")
    photograph = Photograph(model, photographs["chelsea"], 2, torch.round)
    generator = torch.Generator().manual_seed(0)
    levels = photograph.start(generator)
    assert levels.shape == photograph.shape(3) == (2, 3, 300, 451)
    levels = (levels + torch.rand(levels.shape, generator=generator) - 0.5).clamp(0, 255)
    shown = 255 * photograph.shown(levels)
    torch.testing.assert_close(shown, levels.round())
    assert (seen(photograph, model, levels) - seen(photograph, model, levels).round()).abs().max() < 1e-3, "float32"
    assert photograph.before(1, levels) is levels
