"""What two float32 computations of one thing may differ by."""

import torch
from torch import Tensor

# A hundred layers round differently with another batch size or another order of sums: at most 3e-6 of an image's
# largest value has been seen. A wrong factor, layer or class is off by far more than 1e-3.
RELATIVE = 2e-5


def assert_same_but_rounding(found: Tensor, expected: Tensor) -> None:
    """Compare image by image, each on the scale of its own expected values, which must not be all zero."""
    assert found.shape == expected.shape
    for number, (one, other) in enumerate(zip(found.double(), expected.double(), strict=True)):
        scale = float(other.abs().max())
        assert scale > 0, f"image {number}: a reference of zeros proves nothing"
        error = float((one - other).abs().max()) / scale
        assert error <= RELATIVE, f"image {number}: off by {error:.1e} of the largest value {scale:.1e}"


def differs(found: Tensor, other: Tensor) -> bool:
    """Whether two results are clearly not one thing, rounded twice."""
    return bool((found.double() - other.double()).abs().max() > 0.01 * torch.maximum(found.abs(), other.abs()).max())
