"""Tensor messages: those that fit, and every way in which one does not."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from convscope.v1.image_pb2 import Image
from convscope.v1.tensor_pb2 import DataType, Tensor
from tests.fuzz.files import picture_files, whole
from tests.fuzz.network import SIZE
from tests.fuzz.values import LONG_INTEGERS, RARELY, mostly

DTYPES: dict[Any, Any] = {
    DataType.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    DataType.DATA_TYPE_FLOAT16: np.dtype("<f2"),
    DataType.DATA_TYPE_UINT8: np.dtype("u1"),
}
ODD_NUMBERS = (0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 6e-8, 65_504.0, 3.4028234e38, -3.4028234e38, 1.0)
MOST_BYTES = 60_000


# Of the network's input, of a picture, of the layer features.0.
_FITTING = st.sampled_from([[3, SIZE, SIZE], [SIZE, SIZE, 3], [5, 7, 3], [8, SIZE // 2, SIZE // 2], [8]])
_LONG = st.sampled_from([[1] * count for count in (5, 8, 32, 33, 64, 65, 1000)] + [[2**32, 2**32], [2**63 - 1, 2]])
_SIDES = mostly(st.integers(1, 8) | st.sampled_from([SIZE, 224]), st.sampled_from(LONG_INTEGERS))
_SHAPES = st.one_of(_FITTING, _FITTING.map(list), st.lists(_SIDES, max_size=4), _LONG)
_DATA_TYPES = mostly(st.sampled_from(list(DTYPES)), st.sampled_from([0, 4, -1, 2**31 - 1]))


@st.composite
def tensors(draw: Callable[..., Any], wanted: Any = None) -> Tensor:
    """Of any shape and type; the data fit, or are too short, too long, odd. wanted: the type that most have."""
    shape = draw(_SHAPES)
    data_type = draw(_DATA_TYPES) if wanted is None or draw(RARELY) else wanted
    size = max(0, min(MOST_BYTES, math.prod(shape) * DTYPES.get(data_type, np.dtype("u1")).itemsize))
    tensor = Tensor(shape=[max(-(2**63), min(2**63 - 1, length)) for length in shape], data=draw(_bytes(size)))
    tensor.data_type = data_type
    return tensor


@st.composite
def _bytes(draw: Callable[..., Any], size: int) -> bytes:
    wanted = draw(st.sampled_from([0, 1, 100, size + 1, max(0, size - 1)])) if draw(RARELY) else size
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return bytes(wanted)
    if kind == 1:
        number = draw(st.sampled_from(ODD_NUMBERS))
        return np.full(wanted // 4 + 1, number, "<f4").tobytes()[:wanted]
    seed = draw(st.integers(0, 255))
    return np.random.default_rng(seed).bytes(wanted)


@st.composite
def _preprocessed(draw: Callable[..., Any]) -> Tensor:
    """What the network takes, but for some values."""
    data_type = draw(st.sampled_from([DataType.DATA_TYPE_FLOAT32, DataType.DATA_TYPE_FLOAT16]))
    array = np.random.default_rng(draw(st.integers(0, 255))).standard_normal((3, SIZE, SIZE))
    for number in draw(st.lists(st.sampled_from(ODD_NUMBERS), max_size=2)):
        array[draw(st.integers(0, 2)), draw(st.integers(0, SIZE - 1))] = number
    with np.errstate(over="ignore"):
        data = array.astype(DTYPES[data_type]).tobytes()
    return Tensor(shape=array.shape, data_type=data_type, data=data)


@st.composite
def _pixels(draw: Callable[..., Any]) -> Tensor:
    """Any picture as it lies in memory."""
    height, width = draw(st.tuples(*[st.sampled_from([1, 2, 3, 31, 32, 33, 100])] * 2))
    data = np.random.default_rng(draw(st.integers(0, 255))).bytes(height * width * 3)
    return Tensor(shape=[height, width, 3], data_type=DataType.DATA_TYPE_UINT8, data=data)


def images() -> st.SearchStrategy[Image]:
    """Image messages, two of three with something in them that can be looked at."""
    good = st.sampled_from(sorted(whole().values())).map(lambda data: Image(encoded=data))
    good = good | _preprocessed().map(lambda tensor: Image(preprocessed=tensor))
    good = good | _pixels().map(lambda tensor: Image(pixels=tensor))
    bad = st.one_of(
        st.just(Image()),
        picture_files().map(lambda data: Image(encoded=data)),
        tensors().map(lambda tensor: Image(pixels=tensor)),
        tensors().map(lambda tensor: Image(preprocessed=tensor)),
    )
    return st.integers(0, 2).flatmap(lambda number: good if number else bad)
