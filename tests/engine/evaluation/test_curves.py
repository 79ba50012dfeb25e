"""Insertion and deletion, pixel by pixel."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.evaluation.curves import change_curve

SIDE = 6


def probability(images: Tensor) -> Tensor:
    """By the sum of a corner's red."""
    return images[:, 0, :2, :2].sum((1, 2)).sigmoid()


IMAGE, EMPTY = torch.ones(3, SIDE, SIDE), torch.zeros(3, SIDE, SIDE)


def pointing(places: list[tuple[int, int]]) -> Tensor:
    heatmap = torch.zeros(SIDE, SIDE)
    for strength, place in enumerate(reversed(places), 1):
        heatmap[place] = strength
    return heatmap


def by_hand(heatmap: Tensor, kind: str) -> list[float]:
    """One pixel after the other."""
    order = sorted(np.ndindex(SIDE, SIDE), key=lambda place: -float(heatmap[place]))
    picture = (IMAGE if kind == "deletion" else EMPTY).clone()
    values = [float(probability(picture[None]))]
    for row, column in order:
        picture[:, row, column] = 0 if kind == "deletion" else 1
        values.append(float(probability(picture[None])))
    return values


@pytest.mark.parametrize("kind", ["insertion", "deletion"])
@pytest.mark.parametrize("places", [[(0, 0), (0, 1), (1, 0), (1, 1)], [(5, 5), (3, 2)], []])
def test_it_is_the_curve_by_hand(kind, places) -> None:  # type: ignore[no-untyped-def]
    heatmap = pointing(places)
    found = change_curve(probability, IMAGE, heatmap, kind=kind, empty=EMPTY, steps=SIDE**2)
    np.testing.assert_allclose(found.values, by_hand(heatmap, kind), atol=1e-6)
    assert found.parts == tuple(step / SIDE**2 for step in range(SIDE**2 + 1))
    assert found.area == pytest.approx(float(np.trapezoid(found.values, found.parts)), abs=1e-6)


def test_a_map_that_knows_is_better_than_one_that_does_not() -> None:
    right, wrong = pointing([(0, 0), (0, 1), (1, 0), (1, 1)]), pointing([(5, 5), (5, 4), (4, 5)]) - 9 * IMAGE[0]
    wrong[:2, :2] = -20

    def area(heatmap: Tensor, kind) -> float:  # type: ignore[no-untyped-def]
        return change_curve(probability, IMAGE, heatmap, kind=kind, empty=EMPTY, steps=18).area

    assert area(right, "insertion") > area(wrong, "insertion") + 0.3
    assert area(right, "deletion") < area(wrong, "deletion") - 0.3


@pytest.mark.parametrize(
    ("heatmap", "steps", "field"),
    [
        (torch.zeros(5, 6), 5, "heatmaps"),
        (torch.full((SIDE, SIDE), float("nan")), 5, "heatmaps"),
        (torch.zeros(SIDE, SIDE), 0, "steps"),
    ],
)
def test_what_cannot_be_is_named(heatmap: Tensor, steps: int, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        change_curve(probability, IMAGE, heatmap, kind="deletion", empty=EMPTY, steps=steps)
    assert caught.value.field == field
