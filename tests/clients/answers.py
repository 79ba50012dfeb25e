"""What two answers to one question may differ by."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.client import Attribution, Prediction

# Other calls in the same batch change the order of sums; anything else is off by far more.
RELATIVE = 1e-4


def assert_same_answer(found: object, expected: Attribution) -> None:
    """The same values within rounding, for the same class, of the same part of the picture."""
    assert isinstance(found, Attribution), found
    assert (found.method, found.target_name) == (expected.method, expected.target_name)
    assert (found.target and found.target.index) == (expected.target and expected.target.index)
    assert found.explained == pytest.approx(expected.explained, rel=RELATIVE, abs=1e-6)
    assert (found.layer, found.reduction) == (expected.layer, expected.reduction)
    assert found.region == expected.region
    assert_close(found.values, expected.values)


def class_of(answer: Attribution) -> Prediction:
    """The class that was explained; there must be one."""
    assert answer.target is not None
    return answer.target


def assert_close(found: NDArray[np.floating[Any]], expected: NDArray[np.floating[Any]]) -> None:
    """Equal on the scale of the largest expected value, which must not be zero."""
    assert found.shape == expected.shape
    scale = float(np.abs(expected).max())
    assert scale > 0, "an answer of zeros proves nothing"
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=RELATIVE)
