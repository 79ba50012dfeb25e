"""Features that are none of a layer, and layers that are not there, are refused before anything is queued."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message

from convscope.services.common.jobs.kinds import INVERT_FEATURES
from convscope.v1.image_pb2 import Image
from convscope.v1.model_service_pb2 import Layer, ModelCard
from convscope.v1.synthesis_service_pb2 import InvertFeaturesRequest
from convscope.v1.tensor_pb2 import DataType, Tensor
from tests.services.calls import refusal
from tests.services.jobs.server import MODEL, PNG, Jobs, inverting
from tests.services.jobs.test_bad_input import (
    FLOAT32,
    INF,
    INVALID,
    LONG,
    NAN,
    WIDE,
    assert_refused,
    case_id,
    out_of_range,
)
from tests.services.pictures import png_that_claims
from tests.services.test_bad_input import Case, has_field

CARD = ModelCard(
    layers=[
        Layer(name="stem", output_shape=[8, 3, 2]),
        Layer(name="head", output_shape=[6]),
    ]
)


def features(*shape: int, data_type: DataType = FLOAT32, value: float = 1.5) -> Tensor:
    data = np.full(shape, value, dtype={FLOAT32: "<f4"}.get(data_type, "<f2")).tobytes()
    return Tensor(shape=shape, data_type=data_type, data=data)


def given(tensor: Tensor, layers: Sequence[str] = ("stem",), **fields: Any) -> InvertFeaturesRequest:
    return inverting(features=tensor, layers=layers, **fields)


def among(value: float) -> Tensor:
    array = np.ones((8, 3, 2), dtype="<f4")
    array[7, 2, 1] = value
    return Tensor(shape=array.shape, data_type=FLOAT32, data=array.tobytes())


NO_TENSOR = "TENSOR_INVALID"
CASES = [
    Case("no model", inverting(model=""), (INVALID, "MODEL_MISSING", "model")),
    Case("no source", InvertFeaturesRequest(model=MODEL), (INVALID, "SOURCE_MISSING", "source"), "an image, or"),
    Case("an empty image", inverting(image=Image()), (INVALID, "IMAGE_MISSING", "image")),
    Case("half an image", inverting(image=Image(encoded=PNG[:90])), (INVALID, "IMAGE_UNDECODABLE", "image.encoded")),
    Case(
        "a huge image",
        inverting(image=Image(encoded=png_that_claims(50_000, 50_000))),
        (INVALID, "IMAGE_TOO_LARGE", "image.encoded"),
    ),
    Case(
        "features of more lengths than an array has",
        given(Tensor(shape=[1] * 65, data_type=FLOAT32, data=bytes(4))),
        (INVALID, NO_TENSOR, "features.shape"),
        "at most 32",
    ),
    Case("features of no layer", given(features(8, 3, 2), ()), out_of_range("layers"), "exactly one layer"),
    Case("features of two layers", given(features(6), ("stem", "head")), out_of_range("layers"), "2"),
    Case("features of all layers", given(features(6), (), all_layers=True), out_of_range("layers")),
    Case("all layers and one", inverting(layers=["stem"], all_layers=True), (INVALID, "CONTRADICTION", "layers")),
    Case(
        "a layer twice",
        inverting(layers=["stem", "head", "stem"]),
        (INVALID, "INVALID_PARAMETER", "layers[2]"),
        "'stem' is named twice",
    ),
    Case("65 layers", inverting(layers=[f"layer{one}" for one in range(65)]), out_of_range("layers"), "1 to 64"),
    Case("a layer without a name", inverting(layers=["stem", ""]), (INVALID, "LAYER_MISSING", "layers[1]")),
    Case("a long layer", inverting(layers=[LONG]), (INVALID, "UNKNOWN_LAYER", "layers[0]")),
    *(
        Case(f"features with a {value}", given(among(value)), (INVALID, "NOT_FINITE", "features"))
        for value in (NAN, INF, -INF)
    ),
    Case("zeros", given(features(8, 3, 2, value=0)), out_of_range("features"), "zeros alone"),
    Case("a number", given(features()), (INVALID, "SHAPE_MISMATCH", "features")),
    Case("no features", given(Tensor()), (INVALID, NO_TENSOR, "features.data_type")),
    Case(
        "half precision",
        given(features(8, 3, 2, data_type=DataType.DATA_TYPE_FLOAT16)),
        (INVALID, NO_TENSOR, "features.data_type"),
        "FLOAT32",
    ),
    Case(
        "too few bytes",
        given(Tensor(shape=[8, 3, 2], data_type=FLOAT32, data=bytes(188))),
        (INVALID, NO_TENSOR, "features.data"),
    ),
    *(
        Case(
            f"the shape {shape}",
            given(Tensor(shape=shape, data_type=FLOAT32, data=bytes(192))),
            (INVALID, NO_TENSOR, path),
        )
        for shape, path in (
            ([8, 0, 2], "features.shape"),
            ([8, -3, -2], "features.shape"),
            ([2**62, 2**62], "features.data"),
        )
    ),
]
WITH_CARD = [
    Case("an unknown layer", inverting(layers=["stem", "heat"]), (INVALID, "UNKNOWN_LAYER", "layers[1]"), "head"),
    Case("a wide layer", inverting(layers=[WIDE]), (INVALID, "UNKNOWN_LAYER", "layers[0]")),
    *(
        Case(f"features of the shape {shape}", given(features(*shape)), (INVALID, "SHAPE_MISMATCH", "features"), says)
        for shape, says in [
            ((3, 2, 8), "[8, 3, 2], as the layer 'stem' has it, not [3, 2, 8]"),
            ((1, 8, 3, 2), "not [1, 8, 3, 2]"),
            ((48,), "not [48]"),
        ]
    ),
    Case("a longer vector", given(features(7), ["head"]), (INVALID, "SHAPE_MISMATCH", "features"), "[6]"),
    Case("a vector as a picture", given(features(6, 1, 1), ["head"]), (INVALID, "SHAPE_MISMATCH", "features")),
]


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_it_is_refused(case: Case, send: Callable[[Message], object]) -> None:
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert has_field(case.request, case.expected[2])


@pytest.mark.parametrize("case", CASES + WITH_CARD, ids=case_id)
def test_what_the_models_card_does_not_have_is_refused(
    case: Case, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    jobs.publish(CARD)
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert jobs.names() == jobs.files() == []


GOOD = [
    inverting(),
    inverting(all_layers=True),
    inverting(layers=["stem", "head", "conv3_3", "mixed4d"]),
    inverting(layers=list(map(str, range(64)))),
    given(features(8, 3, 2)),
    given(features(6), ["head"]),
    given(features(5, 5), ["pool5"]),
]


@pytest.mark.parametrize("request_", GOOD, ids=range(len(GOOD)))
def test_without_a_card_the_worker_will_check(
    request_: InvertFeaturesRequest, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    assert send(request_)
    assert len(jobs.names()) == 1


@pytest.mark.parametrize("request_", GOOD[:3] + GOOD[4:], ids=range(len(GOOD) - 1))
def test_what_the_models_card_has_is_queued(
    request_: InvertFeaturesRequest, jobs: Jobs, send: Callable[[Message], object]
) -> None:
    jobs.publish(CARD)
    assert send(request_)
    assert len(jobs.names()) == 1


def test_the_features_lie_there_as_they_were_sent(jobs: Jobs, send: Callable[[Message], Any]) -> None:
    array = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
    name = send(given(Tensor(shape=array.shape, data_type=FLOAT32, data=array.tobytes()))).name
    assert jobs.files() == [f"{name}/inputs/features.npy"]
    assert list(jobs.claim(INVERT_FEATURES).spec["inputs"]) == ["features.npy"]
    data = (jobs.folder / name / "inputs" / "features.npy").read_bytes()
    found = np.load(BytesIO(data), allow_pickle=False)
    assert found.dtype == np.float32
    assert np.array_equal(found, array)
