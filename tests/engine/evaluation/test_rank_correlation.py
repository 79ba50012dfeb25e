"""Rank correlation of maps, against the formula."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput
from convscope.engine.evaluation.rank_correlation import GRID, rank_correlation


def noise(seed: int, shape: tuple[int, int] = (GRID, GRID)) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def by_formula(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """1 - 6 sum d² / n (n² - 1), where no two values are equal."""
    ranks = [values.ravel().argsort().argsort() for values in (one, other)]
    count = one.size
    return float(1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum() / (count * (count**2 - 1)))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_spearmans(seed: int) -> None:
    one, other = noise(seed), noise(seed + 50) + noise(seed)
    assert rank_correlation(one, other) == pytest.approx(by_formula(one, other), abs=1e-9)


def test_only_the_order_counts() -> None:
    one = noise(3)
    assert rank_correlation(one, np.exp(5 * one)) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)


def test_maps_of_any_size_are_scaled_to_one_grid() -> None:
    y, x = np.mgrid[:64, :48]
    wide, tall = np.mgrid[:14, :14][1] * 1.0, y * 1.0
    assert rank_correlation(x * 1.0, wide) == pytest.approx(1, abs=0.01)
    assert abs(rank_correlation(tall, wide)) < 0.05


def test_chance_is_about_nothing() -> None:
    found = [rank_correlation(noise(seed), noise(1000 + seed)) for seed in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_a_flat_map_orders_nothing() -> None:
    assert np.isnan(rank_correlation(np.ones((20, 20)), noise(1)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((3, 4, 5)), "SHAPE_MISMATCH"),
        (np.zeros((0, 4)), "SHAPE_MISMATCH"),
        (np.full((4, 4), np.nan), "VALUE_NOT_FINITE"),
    ],
)
def test_what_is_no_map_is_named(values: NDArray[np.float64], reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rank_correlation(noise(1), values)
    assert (caught.value.field, caught.value.reason) == ("maps", reason)
