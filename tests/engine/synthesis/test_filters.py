"""What becomes of a gradient, against SciPy and the formulas."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.synthesis.filters.gradient_blur import GradientBlur
from convscope.engine.synthesis.filters.gradient_filter import GradientFilter
from convscope.engine.synthesis.filters.laplacian_pyramid import LaplacianPyramid
from convscope.engine.synthesis.filters.mean_magnitude import MeanMagnitude
from convscope.engine.synthesis.filters.progress import Progress
from convscope.engine.synthesis.filters.unit_norm import UnitNorm
from convscope.engine.synthesis.gaussian import Gaussian

pytestmark = pytest.mark.usefixtures("exactly")
CPU = torch.device("cpu")
# Sums of some hundred numbers in float64, in another order.
ROUNDING = 1e-12
FILTERS: dict[str, GradientFilter] = {
    "unit norm": UnitNorm(),
    "mean magnitude": MeanMagnitude(),
    "progress": Progress(),
}


def gradients(height: int = 24, width: int = 20, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.5, 7.0])
@pytest.mark.parametrize(("wrapped", "mode"), [(True, "wrap"), (False, "reflect")])
def test_the_gaussian_is_scipys(sigma: float, wrapped: bool, mode: str) -> None:
    """Mirrored with the edge repeated, what SciPy calls "reflect"; at 7 it reaches further than the picture is wide."""
    pictures = gradients()
    # The width that Gaussian says; SciPy takes the same but where 4 sigma is a half.
    radius = max(1, round(4 * sigma))
    expected = scipy.ndimage.gaussian_filter(pictures.numpy(), sigma, mode=mode, radius=radius, axes=(2, 3))
    np.testing.assert_allclose(Gaussian(sigma, CPU, wrapped=wrapped)(pictures), expected, atol=ROUNDING)


@pytest.mark.parametrize("sigma", [0.5, 2.5])
def test_what_lies_beyond_four_sigma_does_not_count(sigma: float) -> None:
    pictures = gradients()
    whole = scipy.ndimage.gaussian_filter(pictures.numpy(), sigma, mode="wrap", truncate=20, axes=(2, 3))
    # A ten-thousandth of the weight lies there, on each axis, and numbers are up to 4.
    assert np.abs(GradientBlur(sigma, CPU)(pictures).numpy() - whole).max() < 2 * 1e-4 * 4


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_gaussian_keeps_what_is_even(wrapped: bool) -> None:
    even = torch.full((1, 3, 5, 6), 3.0)
    torch.testing.assert_close(Gaussian(2.0, CPU, wrapped=wrapped)(even), even, rtol=ROUNDING, atol=0)


BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256.0


def coarser(level: NDArray[np.float64]) -> NDArray[np.float64]:
    smoothed: NDArray[np.float64] = scipy.signal.convolve2d(level, BINOMIAL, mode="same", boundary="fill")
    return smoothed[::2, ::2]


def finer(level: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    stuffed = np.zeros(shape)
    stuffed[::2, ::2] = level
    smoothed: NDArray[np.float64] = scipy.signal.convolve2d(stuffed, 4 * BINOMIAL, mode="same", boundary="fill")
    return smoothed


def pyramid(gradient: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Of [3, H, W]: lap_normalize() of the published notebook, colour by colour."""
    rest, details = gradient, []
    for _ in range(levels):
        coarse = np.stack([coarser(colour) for colour in rest])
        details.append(rest - np.stack([finer(colour, rest.shape[1:]) for colour in coarse]))
        rest = coarse
    even = [level / np.sqrt(np.mean(level**2)) for level in (*details, rest)]
    merged: NDArray[np.float64] = even.pop()
    while even:
        level = even.pop()
        merged = np.stack([finer(colour, level.shape[1:]) for colour in merged]) + level
    return merged


@pytest.mark.parametrize("size", [(24, 20), (25, 21), (24, 21), (37, 18)])
@pytest.mark.parametrize("levels", [1, 2, 4])
def test_the_laplacian_pyramid_is_smoothing_leaving_out_and_stuffing_zeros(size: tuple[int, int], levels: int) -> None:
    pictures = gradients(*size)
    found = LaplacianPyramid(levels, CPU)(pictures)
    for picture, one in zip(pictures.numpy(), found, strict=True):
        np.testing.assert_allclose(one, pyramid(picture, levels), atol=ROUNDING)


def test_a_pyramid_of_more_levels_than_the_picture_halves() -> None:
    found = LaplacianPyramid(8, CPU)(gradients(9, 7))
    np.testing.assert_allclose(found[0], pyramid(gradients(9, 7)[0].numpy(), 8), atol=ROUNDING)


def test_a_pyramid_of_zeros_is_zeros() -> None:
    assert not LaplacianPyramid(4, CPU)(torch.zeros(1, 3, 16, 16)).any()


@pytest.mark.parametrize("name", FILTERS)
def test_each_picture_is_divided_by_its_own(name: str) -> None:
    pictures = gradients() * torch.tensor([1e-3, 1e4]).view(2, 1, 1, 1)
    found = FILTERS[name](pictures)
    for picture, one in zip(pictures.numpy(), found.numpy(), strict=True):
        numbers = picture.ravel().tolist()
        divisor = {
            "unit norm": sum(x * x for x in numbers) ** 0.5,
            "mean magnitude": sum(abs(x) for x in numbers) / len(numbers),
            "progress": sum(x * x for x in numbers),
        }[name]
        np.testing.assert_allclose(one, picture / divisor, rtol=ROUNDING)


@pytest.mark.parametrize("name", FILTERS)
def test_a_spectrum_or_weights_are_divided_too(name: str) -> None:
    flat = gradients()
    for shape in ((2, -1), (2, 3, 4, 5, -1)):
        torch.testing.assert_close(FILTERS[name](flat.reshape(shape)), FILTERS[name](flat).reshape(shape))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeros_stay_zeros(name: str, dtype: torch.dtype) -> None:
    assert not FILTERS[name](torch.zeros(2, 3, 4, 5, dtype=dtype)).any()


def test_the_norm_of_a_gradient_whose_squares_are_zero() -> None:
    """Squares of 1e-30 are zero in float32."""
    found = UnitNorm()(1e-30 * gradients().float())
    # The roundings of 1440 float32 numbers add up to far less.
    torch.testing.assert_close(found.flatten(1).norm(dim=1), torch.ones(2, dtype=torch.float32), rtol=1e-5, atol=0)


def test_a_step_by_progress_rises_by_the_step_size() -> None:
    """On a slope without curvature exactly, and so at first order anywhere."""
    slope = gradients()
    place = torch.zeros_like(slope)
    moved = place + 0.7 * Progress()(slope)
    rise = (slope * (moved - place)).flatten(1).sum(dim=1)
    torch.testing.assert_close(rise, torch.full((2,), 0.7), rtol=ROUNDING, atol=0)
