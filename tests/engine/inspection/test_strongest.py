"""The largest activations of each channel, against a slow sort; equal ones, NaN, and parts put together."""

from functools import reduce

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.engine.inspection.strongest import Strongest

Row = tuple[float, int, int]


def slow(activation: Tensor, first: int, k: int, *, one: bool) -> list[list[Row]]:
    """For each channel (value, image, place), sorted by Python."""
    rows: list[list[Row]] = []
    for channel in range(activation.shape[1]):
        found: list[Row] = []
        for image in range(len(activation)):
            values = activation[image, channel].flatten().tolist()
            values = [-np.inf if np.isnan(value) else value for value in values]
            places = [values.index(max(values))] if one else range(len(values))
            found += [(values[place], first + image, place) for place in places]
        rows.append(sorted(found, key=lambda row: (-row[0], row[1], row[2]))[:k])
    return rows


def as_rows(found: Strongest) -> list[list[Row]]:
    each = zip(found.values.tolist(), found.images.tolist(), found.places.tolist(), strict=True)
    return [list(zip(*row, strict=True)) for row in each]


def maps(*shape: int, seed: int = 0) -> Tensor:
    """Few different numbers, so that many are equal."""
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).float() / 2


@pytest.mark.parametrize("k", [1, 4, 1000])
@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("shape", [(7, 5, 4, 3), (3, 2, 1, 1), (1, 3, 2, 2)])
def test_they_are_those_of_a_slow_sort(shape: tuple[int, ...], one: bool, k: int) -> None:
    activation = maps(*shape)
    found = (Strongest.of_images if one else Strongest.of_places)(activation, 10, k)
    assert as_rows(found) == slow(activation, 10, k, one=one)


@pytest.mark.parametrize("one", [True, False])
def test_what_is_no_number_comes_last(one: bool) -> None:
    activation = maps(4, 3, 2, 2)
    activation[0, 0, 0, 0], activation[1, 1] = torch.nan, torch.nan
    activation[2, 2, 1, 1], activation[3, 2, 0, 0] = torch.inf, -torch.inf
    found = (Strongest.of_images if one else Strongest.of_places)(activation, 0, 6)
    assert as_rows(found) == slow(activation, 0, 6, one=one)


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("part", [1, 3, 20])
def test_parts_together_are_the_whole(part: int, one: bool) -> None:
    activation = maps(20, 4, 3, 3, seed=1)
    take = Strongest.of_images if one else Strongest.of_places
    parts = [take(activation[start : start + part], start, 6) for start in range(0, 20, part)]
    whole = reduce(lambda one, other: one.with_others(other, 6), parts)
    assert as_rows(whole) == slow(activation, 0, 6, one=one)


@pytest.mark.parametrize("k", [1, 3, 100])
def test_neurons_are_channels_of_one_place(k: int) -> None:
    activation = maps(9, 3, 2, 4, seed=2)
    found = as_rows(Strongest.of_neurons(activation, 5, k))
    for channel in range(3):
        for place in range(8):
            alone = activation[:, channel].flatten(1)[:, place][:, None, None, None]
            expected = [(value, image, place) for value, image, _ in slow(alone, 5, k, one=True)[0]]
            assert found[channel * 8 + place] == expected


def test_minus_zero_is_zero() -> None:
    activation = torch.tensor([[[[-0.0, 0.0]]], [[[0.0, -0.0]]]])
    assert Strongest.of_places(activation, 0, 4).places.tolist() == [[0, 1, 0, 1]]
    assert Strongest.of_places(activation, 0, 4).images.tolist() == [[0, 0, 1, 1]]


def test_half_precision_is_compared_as_it_is() -> None:
    activation = maps(5, 2, 3, 3).bfloat16()
    assert as_rows(Strongest.of_images(activation, 0, 5)) == slow(activation.float(), 0, 5, one=True)
