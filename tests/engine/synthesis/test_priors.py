"""What is done to pictures between steps, against loops."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from convscope.engine.synthesis.priors.bilateral import Bilateral
from convscope.engine.synthesis.priors.blur import Blur
from convscope.engine.synthesis.priors.bounds import Bounds
from convscope.engine.synthesis.priors.decay import Decay
from convscope.engine.synthesis.priors.dropping import SmallContribution, SmallNorm
from convscope.engine.synthesis.priors.median import Median
from convscope.engine.synthesis.priors.sphere import Sphere

pytestmark = pytest.mark.usefixtures("exactly")
CPU = torch.device("cpu")
# Sums of at most some hundred numbers in float64, in another order.
ROUNDING = 1e-12


def pictures(height: int = 9, width: int = 7, count: int = 2) -> Tensor:
    return 40 * torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def mirrored(place: int, length: int) -> int:
    """Beyond an edge as many pixels back, the edge itself not repeated."""
    return abs(place) if place < length else 2 * (length - 1) - place


@pytest.mark.parametrize(("width", "color", "space"), [(3, 25.0, 110.0), (5, 40.0, 1.5), (7, 5.0, 3.0)])
def test_the_bilateral_filter_is_a_loop_over_windows(width: int, color: float, space: float) -> None:
    given = pictures()
    found = Bilateral(width, color, space, CPU)(0, given, None)
    reach = width // 2
    for picture, one in zip(given.numpy(), found.numpy(), strict=True):
        height, across = picture.shape[1:]
        for y in range(height):
            for x in range(across):
                total, weights = np.zeros(3), 0.0
                for dy in range(-reach, reach + 1):
                    for dx in range(-reach, reach + 1):
                        other = picture[:, mirrored(y + dy, height), mirrored(x + dx, across)]
                        apart = ((other - picture[:, y, x]) ** 2).sum()
                        weight = np.exp(-apart / (2 * color**2)) * np.exp(-(dx**2 + dy**2) / (2 * space**2))
                        total, weights = total + weight * other, weights + weight
                np.testing.assert_allclose(one[:, y, x], total / weights, atol=40 * ROUNDING)


def test_a_bilateral_filter_spares_edges_and_smooths_areas() -> None:
    sides = torch.where(torch.arange(8) < 4, -100.0, 100.0).expand(1, 3, 8, 8)
    noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Bilateral(3, 25.0, 110.0, CPU)(0, sides + noise, None)
    # 200 levels in each colour are 14 deviations: nothing comes through. A mean of 6 or 9 leaves less than half.
    assert (found - sides).abs().max() < noise.abs().max()
    assert (found - sides).std() < 0.5 * noise.std()


@pytest.mark.parametrize("width", [3, 5])
def test_the_median_filter_is_a_loop_over_windows(width: int) -> None:
    given = pictures()
    found = Median(width)(0, given, None)
    reach = width // 2
    for row, picture in enumerate(given.numpy()):
        for colour, levels in enumerate(picture):
            height, across = levels.shape
            for y in range(height):
                for x in range(across):
                    window = sorted(
                        levels[mirrored(y + dy, height), mirrored(x + dx, across)]
                        for dy in range(-reach, reach + 1)
                        for dx in range(-reach, reach + 1)
                    )
                    assert found[row, colour, y, x] == window[width * width // 2]


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("rule", ["norm", "contribution"])
def test_dropping_sets_the_first_of_a_sorted_list_to_the_mean(part: float, rule: str) -> None:
    given, gradient = pictures(), pictures(count=4)[2:] / 7
    prior = SmallNorm(part) if rule == "norm" else SmallContribution(part)
    found = prior(0, given, gradient)
    for picture, ascent, one in zip(given.numpy(), gradient.numpy(), found.numpy(), strict=True):
        places = [(y, x) for y in range(9) for x in range(7)]
        if rule == "norm":
            weights = {(y, x): np.linalg.norm(picture[:, y, x]) for y, x in places}
        else:
            weights = {(y, x): abs(picture[:, y, x] @ ascent[:, y, x]) for y, x in places}
        dropped = sorted(places, key=weights.__getitem__)[: int(part * 63)]
        for y, x in places:
            expected = np.zeros(3) if (y, x) in dropped else picture[:, y, x]
            np.testing.assert_array_equal(one[:, y, x], expected)


def test_without_a_gradient_nothing_contributes() -> None:
    with pytest.raises(ValueError, match="gradient"):
        SmallContribution(0.5)(0, pictures(), None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sphere_holds_the_root_mean_square(dtype: torch.dtype) -> None:
    given = (pictures(count=3) * torch.tensor([1.0, 1e-6, 1e6]).view(3, 1, 1, 1)).to(dtype)
    found = Sphere(40.0)(0, given, None)
    # Of 189 numbers in the dtype.
    rounding = 50 * torch.finfo(dtype).eps
    torch.testing.assert_close(found.square().mean(dim=(1, 2, 3)).sqrt(), torch.full((3,), 40.0, dtype=dtype),
                               rtol=rounding, atol=0)  # fmt: skip
    cosines = torch.cosine_similarity(found.flatten(1), given.flatten(1))
    torch.testing.assert_close(cosines, torch.ones(3, dtype=dtype), rtol=rounding, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_a_sphere_a_picture_of_zeros_stays_one(dtype: torch.dtype) -> None:
    zeros = torch.zeros(2, 3, 4, 5, dtype=dtype)
    torch.testing.assert_close(Sphere(40.0)(0, zeros, None), zeros, rtol=0, atol=0)


def test_decay_takes_a_part_off() -> None:
    torch.testing.assert_close(Decay(0.3)(0, pictures(), None), 0.7 * pictures(), rtol=ROUNDING, atol=0)


def test_bounds_clip_each_colour_at_its_own() -> None:
    mean = torch.tensor([10.0, 128.0, 250.0]).view(1, 3, 1, 1)
    given = torch.tensor([-300.0, -5.0, 0.0, 3.0, 300.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    found = Bounds(-mean, 255 - mean)(0, given, None)
    expected = [[-10, -5, 0, 3, 245], [-128, -5, 0, 3, 127], [-250, -5, 0, 3, 5]]
    assert found[0, :, 0].tolist() == expected


def test_a_blur_comes_every_so_many_steps_with_the_width_of_its_step() -> None:
    given = pictures()
    blur = Blur(lambda step: 0.5 + step, 3, CPU)
    for step in range(7):
        found = blur(step, given, None)
        if step in {2, 5}:
            sigma = 0.5 + step
            expected = scipy.ndimage.gaussian_filter(
                given.numpy(), sigma, mode="reflect", radius=round(4 * sigma), axes=(2, 3)
            )
            np.testing.assert_allclose(found, expected, atol=40 * ROUNDING)
        else:
            assert found is given


def test_a_blur_that_has_faded_does_nothing() -> None:
    given = pictures()
    assert Blur(lambda step: 0.0, 1, CPU)(0, given, None) is given
