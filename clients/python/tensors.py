"""Arrays to tensors of the contract, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.v1.tensor_pb2 import DataType, Tensor

DTYPES: Mapping[DataType, np.dtype[Any]] = {
    DataType.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    DataType.DATA_TYPE_FLOAT16: np.dtype("<f2"),
    DataType.DATA_TYPE_UINT8: np.dtype("u1"),
}
_DATA_TYPES = {dtype: data_type for data_type, dtype in DTYPES.items()}


def from_array(array: NDArray[Any]) -> Tensor:
    """float32, float16 or uint8 of any shape."""
    return Tensor(shape=array.shape, data_type=_DATA_TYPES[array.dtype], data=array.tobytes())


def to_array(tensor: Tensor) -> NDArray[Any]:
    """A read-only view of the tensor's data."""
    return np.frombuffer(tensor.data, DTYPES[tensor.data_type]).reshape(tuple(tensor.shape))
