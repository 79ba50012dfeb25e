"""A layer's output that a caller holds, to the Tensor of the contract."""

import numpy as np
from numpy.typing import ArrayLike

from convscope.client.errors import InvalidArgument
from convscope.client.tensors import from_array
from convscope.v1.tensor_pb2 import Tensor

WANTED = "features must be floating-point numbers in the shape of the layer's output for one picture"


def to_features(features: ArrayLike) -> Tensor:
    """float32 of one to three dimensions, without the batch. Raises InvalidArgument (field `features`)."""
    try:
        array = np.asarray(features)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{WANTED}: {error}", field="features", reason="TENSOR_INVALID") from error
    if array.dtype.kind != "f" or not 1 <= array.ndim <= 3 or array.size == 0:
        message = f"{WANTED}, such as float32 [512, 7, 7], not {array.dtype} {list(array.shape)}"
        raise InvalidArgument(message, field="features", reason="TENSOR_INVALID")
    # What is too large for float32 becomes infinite, and is told below.
    with np.errstate(over="ignore"):
        values = array.astype("<f4")
    if not np.isfinite(values).all():
        message = "features must be finite: they have NaN or infinity in them"
        raise InvalidArgument(message, field="features", reason="VALUE_NOT_FINITE")
    return from_array(values)
