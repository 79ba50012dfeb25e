"""Crops of photographs: from all of them, whole squares, the same for the same seed."""

import numpy as np
from PIL import Image

from convscope.engine.generation.crops import SMALLEST, crops


def test_crops_are_squares_of_each_photograph_in_turn_and_no_two_alike(photographs: dict[str, Image.Image]) -> None:
    some = [photographs[name] for name in ("coffee", "china, portrait")]
    found = list(crops(some, 30, seed=1))
    for place, crop in enumerate(found):
        shorter = min(some[place % 2].size)
        assert crop.width == crop.height
        assert SMALLEST * shorter - 1 <= crop.width <= shorter
    assert len({crop.tobytes() for crop in found}) == 30
    assert [crop.tobytes() for crop in crops(some, 30, seed=1)] == [crop.tobytes() for crop in found]
    assert next(crops(some, 30, seed=2)).tobytes() != found[0].tobytes()


def test_half_of_them_are_mirrored() -> None:
    ramp = Image.linear_gradient("L").rotate(90).convert("RGB")
    rows = [np.asarray(crop)[0, :, 0] for crop in crops([ramp], 200, seed=0)]
    assert 70 < sum(bool(row[0] > row[-1]) for row in rows) < 130
