"""Penalties against the sums that the papers write."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.synthesis.regularizers.alpha_norm import AlphaNorm
from convscope.engine.synthesis.regularizers.departure import Departure
from convscope.engine.synthesis.regularizers.regularizer import Regularizer
from convscope.engine.synthesis.regularizers.squared_norm import SquaredNorm
from convscope.engine.synthesis.regularizers.total_variation import _SMALLEST, TotalVariation

pytestmark = pytest.mark.usefixtures("exactly")
# Sums of a few hundred numbers in float64, in another order.
ROUNDING = 1e-12


def levels(count: int = 2) -> Tensor:
    return 50 * torch.randn(count, 3, 5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def total_variation(x: NDArray[np.float64], beta: float, smallest: float) -> float:
    """The lecture's double sum over one colour, of ((x[i, j+1] - x[i, j])^2 + (x[i+1, j] - x[i, j])^2)^(beta/2). At
    the edges the difference that is not there counts as none."""
    height, width = x.shape
    total = 0.0
    for i in range(height):
        for j in range(width):
            right = x[i, j + 1] - x[i, j] if j + 1 < width else 0.0
            down = x[i + 1, j] - x[i, j] if i + 1 < height else 0.0
            total += (right**2 + down**2 + smallest) ** (beta / 2)
    return total


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_the_total_variation_is_the_lectures_double_sum(beta: float) -> None:
    pictures = levels()
    found = TotalVariation([0.3], beta)(pictures, [0, 1])
    smallest = 0.0 if beta == 2 else _SMALLEST
    for picture, value in zip(pictures.numpy(), found, strict=True):
        expected = 0.3 * sum(total_variation(colour, beta, smallest) for colour in picture)
        assert value.item() == pytest.approx(expected, rel=ROUNDING)
        # What keeps the root's gradient finite counts whole at the three corners, which have no difference; at all
        # other places it is a part of about 1e-6 / 50^2.
        bare = 0.3 * sum(total_variation(colour, beta, 0.0) for colour in picture)
        corners = 3 * 0.3 * smallest ** (beta / 2)
        assert value.item() - corners == pytest.approx(bare, rel=1e-8)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_an_even_picture_has_a_finite_gradient_and_next_to_no_variation(beta: float) -> None:
    pictures = torch.full((1, 3, 5, 7), 9.0, requires_grad=True)
    found = TotalVariation([1.0], beta)(pictures, [0])
    (gradient,) = torch.autograd.grad(found.sum(), pictures)
    assert not gradient.any()
    # Each of the 105 numbers adds _SMALLEST^(beta/2), a thousandth of a level at most.
    assert found.item() <= 105 * _SMALLEST ** (beta / 2) * (1 + ROUNDING)


def test_each_picture_has_its_own_weight_also_in_a_part_of_the_batch() -> None:
    pictures = levels(3)
    alone = [TotalVariation([1.0], 2.0)(pictures[row : row + 1], [0]).item() for row in range(3)]
    weights = TotalVariation([1.0, 2.0, 4.0], 2.0)
    torch.testing.assert_close(weights(pictures, [0, 1, 2]), torch.tensor(alone) * torch.tensor([1.0, 2.0, 4.0]))
    torch.testing.assert_close(weights(pictures[1:], [1, 2]), torch.tensor(alone[1:]) * torch.tensor([2.0, 4.0]))
    # Evolution looks at several of one row.
    torch.testing.assert_close(weights(pictures, [2, 2, 0]), torch.tensor(alone) * torch.tensor([4.0, 4.0, 1.0]))


@pytest.mark.parametrize("alpha", [1.0, 2.5, 6.0])
def test_the_alpha_norm_is_a_sum_of_powers(alpha: float) -> None:
    pictures = levels()
    found = AlphaNorm(1e-3, alpha)(pictures, [0, 1])
    expected = [1e-3 * sum(abs(x) ** alpha for x in picture.flatten().tolist()) for picture in pictures]
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_the_squared_norm_is_a_sum_of_squares() -> None:
    pictures = levels()
    expected = [0.5 * sum(x * x for x in picture.flatten().tolist()) for picture in pictures]
    np.testing.assert_allclose(SquaredNorm(0.5)(pictures, [0, 1]), expected, rtol=ROUNDING)


def test_the_departure_is_the_squared_distance_from_the_pictures_own_start() -> None:
    start, pictures = levels(3), levels(3) + torch.arange(1.0, 4.0).view(3, 1, 1, 1)
    departure = Departure(2.0, start)
    # 105 numbers, each moved by 1, 2 or 3.
    np.testing.assert_allclose(departure(pictures, [0, 1, 2]), [210.0, 840.0, 1890.0], rtol=ROUNDING)
    np.testing.assert_allclose(departure(pictures[1:], [1, 2]), [840.0, 1890.0], rtol=ROUNDING)


REGULARIZERS: dict[str, Regularizer] = {
    "squared norm": SquaredNorm(0.5),
    "alpha-norm": AlphaNorm(1e-6, 6.0),
    "departure": Departure(1.0, levels() / 2),
    **{f"total variation {beta}": TotalVariation([0.1, 0.2], beta) for beta in (1.0, 1.5, 2.0, 3.0)},
}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    penalty = REGULARIZERS[name]
    pictures = (levels() / 10).requires_grad_()
    assert torch.autograd.gradcheck(lambda images: penalty(images, [0, 1]), (pictures,))
