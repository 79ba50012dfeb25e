"""What stands where something is taken out of a picture."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.attribution.batch import Batch
from convscope.engine.attribution.fill import Fill, FillParameters, empty_pictures
from convscope.engine.attribution.target import ClassTarget, Targets
from convscope.engine.errors import InvalidParameter
from convscope.engine.models.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(mean=(0.3, 0.4, 0.5), std=(0.2, 0.3, 0.4))


@pytest.fixture
def pixels() -> Tensor:
    """0 to 255, not square."""
    return torch.randint(0, 256, (2, 3, 24, 36), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def emptied(images: Tensor, **parameters: Any) -> Tensor:
    targets = Targets((ClassTarget(),) * len(images))
    return empty_pictures(Batch(nn.Identity(), images, targets, PREPROCESSING), FillParameters.parse(parameters))


def as_pixels(images: Tensor) -> Tensor:
    """Back to 0..1."""
    mean, std = (images.new_tensor(three).view(1, 3, 1, 1) for three in (PREPROCESSING.mean, PREPROCESSING.std))
    return images * std + mean


def test_zero_is_the_mean_colour_of_the_training_pictures(pixels: Tensor) -> None:
    images = PREPROCESSING.normalize(pixels)
    for found in (emptied(images), emptied(images, fill="zero")):
        assert found.shape == images.shape
        assert not found.any()
        assert torch.allclose(as_pixels(found)[0, :, 0, 0], torch.tensor(PREPROCESSING.mean))


def test_grey_is_half_way_between_black_and_white(pixels: Tensor) -> None:
    found = emptied(PREPROCESSING.normalize(pixels), fill="grey")
    black, white = (PREPROCESSING.normalize(torch.full_like(pixels, shade)) for shade in (0, 255))
    assert torch.allclose(found, (black + white) / 2, atol=1e-6)


def test_mean_is_the_pictures_own_mean_colour(pixels: Tensor) -> None:
    found = as_pixels(emptied(PREPROCESSING.normalize(pixels), fill="mean"))
    for one, picture in zip(found, pixels, strict=True):
        for channel, values in zip(one, picture, strict=True):
            assert torch.allclose(channel, values.float().mean() / 255, atol=1e-6)


def test_blur_leaves_colour_without_shape(pixels: Tensor) -> None:
    images = PREPROCESSING.normalize(pixels)
    found = emptied(images, fill="blur")
    assert torch.allclose(found.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=0.15)
    assert (found.std(dim=(2, 3)) < images.std(dim=(2, 3)) / 4).all()
    assert (found.std(dim=(2, 3)) > 0).all()


def test_a_blurred_point_is_a_bell_of_a_twelfth_of_the_shorter_side() -> None:
    images = torch.zeros(1, 3, 96, 144, dtype=torch.float64)
    images[:, :, 48, 72] = 1
    found = emptied(images, fill="blur")[0, 0]
    rows, columns = torch.arange(96).double() - 48, torch.arange(144).double() - 72
    assert float(found.sum()) == pytest.approx(1)
    # A bell that is cut off at three deviations is a little narrower.
    assert float((found.sum(dim=1) * rows.square()).sum()) == pytest.approx(8**2, rel=0.03)
    assert float((found.sum(dim=0) * columns.square()).sum()) == pytest.approx(8**2, rel=0.03)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (3, 3), (5, 224)])
@pytest.mark.parametrize("fill", ["zero", "grey", "mean", "blur"])
def test_every_fill_works_for_every_size(fill: Fill, size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))
    found = emptied(images, fill=fill)
    assert found.shape == images.shape
    assert found.isfinite().all()


@pytest.mark.parametrize("fill", ["zero", "grey", "mean", "blur"])
def test_a_picture_has_its_own_fill_alone_and_in_company(fill: Fill, pixels: Tensor) -> None:
    images = PREPROCESSING.normalize(pixels)
    together = emptied(images, fill=fill)
    alone = torch.cat([emptied(image.unsqueeze(0), fill=fill) for image in images])
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("fill", ["zero", "grey", "mean", "blur"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_fill_is_of_the_images_kind(dtype: torch.dtype, fill: Fill, pixels: Tensor) -> None:
    images = PREPROCESSING.normalize(pixels)
    found = emptied(images.to(dtype), fill=fill)
    assert found.dtype == dtype
    assert torch.allclose(found.float(), emptied(images, fill=fill), atol=0.05)


@pytest.mark.parametrize("fill", ["zero", "grey", "mean", "blur"])
@pytest.mark.parametrize("color", [(1.0, 0.0, 0.5), [1.0, 0.0, 0.5], (1, 0, 0.5)], ids=str)
def test_a_colour_goes_before_the_fill(color: Any, fill: Fill, pixels: Tensor) -> None:
    found = emptied(PREPROCESSING.normalize(pixels), fill=fill, fill_color=color)
    assert torch.allclose(as_pixels(found), torch.tensor([1.0, 0.0, 0.5]).view(1, 3, 1, 1).expand_as(found), atol=1e-6)


def test_no_colour_is_none(pixels: Tensor) -> None:
    images = PREPROCESSING.normalize(pixels)
    assert torch.equal(emptied(images, fill="grey", fill_color=None), emptied(images, fill="grey"))


@pytest.mark.parametrize(
    "color",
    [
        (),
        (0.1, 0.2),
        (0, 0, 0, 0),
        (0, 0, 1.01),
        (-0.01, 0, 0),
        (0, 0, float("nan")),
        (0, "red", 0),
        "red",
        0.5,
        {},
        True,
    ],
    ids=str,
)
def test_what_is_no_colour_is_refused_by_its_name(color: Any) -> None:
    with pytest.raises(InvalidParameter, match="three numbers from 0 to 1: red, green and blue") as caught:
        FillParameters.parse({"fill_color": color})
    assert caught.value.field == "fill_color"


@pytest.mark.parametrize("fill", ["black", "", None, 0, "GREY"])
def test_an_unknown_fill_is_refused_with_those_that_exist(fill: Any) -> None:
    with pytest.raises(InvalidParameter, match="'zero', 'grey', 'mean' or 'blur'") as caught:
        FillParameters.parse({"fill": fill})
    assert caught.value.field == "fill"
