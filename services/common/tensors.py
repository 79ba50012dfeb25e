"""Tensors of the contract to arrays, and back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.engine.errors import InvalidInput
from convscope.v1.tensor_pb2 import DataType, Tensor

DTYPES: Mapping[DataType, np.dtype[Any]] = {
    DataType.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    DataType.DATA_TYPE_FLOAT16: np.dtype("<f2"),
    DataType.DATA_TYPE_UINT8: np.dtype("u1"),
}
# NumPy 1 knows no array of more.
MAX_LENGTHS = 32
FLOATS = (DataType.DATA_TYPE_FLOAT32, DataType.DATA_TYPE_FLOAT16)


def to_array(tensor: Tensor, allowed: tuple[DataType, ...], *, field: str) -> NDArray[Any]:
    """A read-only view of a tensor's data. Raises InvalidInput (TENSOR_INVALID) that names the field."""
    if tensor.data_type not in allowed:
        names = " or ".join(DataType.Name(data_type) for data_type in allowed)
        raise _invalid(f"data_type must be {names}", f"{field}.data_type")
    if len(tensor.shape) > MAX_LENGTHS:
        message = f"shape has {len(tensor.shape)} lengths; at most {MAX_LENGTHS} are accepted"
        raise _invalid(message, f"{field}.shape")
    if any(length < 1 for length in tensor.shape):
        raise _invalid(f"shape {list(tensor.shape)} has a length below 1", f"{field}.shape")
    dtype = DTYPES[tensor.data_type]
    expected = math.prod(tensor.shape) * dtype.itemsize
    if len(tensor.data) != expected:
        message = f"shape {list(tensor.shape)} of {dtype.name} takes {expected} bytes, data has {len(tensor.data)}"
        raise _invalid(message, f"{field}.data")
    return np.frombuffer(tensor.data, dtype).reshape(tensor.shape)


def to_tensor(array: NDArray[np.float32], data_type: DataType) -> Tensor:
    """An array of floats as float32 or float16; float32 where `data_type` says nothing."""
    chosen = data_type if data_type in FLOATS else DataType.DATA_TYPE_FLOAT32
    return Tensor(shape=array.shape, data_type=chosen, data=array.astype(DTYPES[chosen]).tobytes())


def wrong_shape(wanted: str, shape: Sequence[int], *, field: str) -> InvalidInput:
    """The error for a tensor whose shape is not the one that is wanted."""
    found = ", ".join(map(str, shape[:4])) + (", ..." if len(shape) > 4 else "")
    return _invalid(f"shape must be {wanted}, not [{found}]", f"{field}.shape")


def _invalid(message: str, field: str) -> InvalidInput:
    return InvalidInput(message, field=field, reason="TENSOR_INVALID")
