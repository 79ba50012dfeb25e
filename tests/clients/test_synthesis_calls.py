"""What visualize_channel, invert_features and create_adversarial send, and refuse to send, by both clients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import Client, DatasetExamples, InvalidArgument, PriorInfo, Unit
from convscope.v1.image_pb2 import Image
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    InvertFeaturesRequest,
    JobOptions,
    SynthesisParameters,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.synthesis_service_pb2 import DatasetExamples as DatasetExamplesMessage
from convscope.v1.target_pb2 import ClassReference
from convscope.v1.target_pb2 import Unit as UnitMessage
from convscope.v1.tensor_pb2 import DataType, Tensor
from tests.clients.conftest import CLIENTS
from tests.clients.job_stand_in import JobServer, JobStandIn, serving_jobs
from tests.clients.test_jobs import MODEL
from tests.processes import free_port

UNIT = UnitMessage(layer="layer3", channel=5)
UNITS: dict[str, tuple[Any, list[UnitMessage]]] = {
    "a channel": (Unit("layer3", 5), [UNIT]),
    "a neuron": (Unit("layer3", 5, (3, 4)), [UnitMessage(layer="layer3", channel=5, row=3, column=4)]),
    "the first neuron": (Unit("layer3", 5, (0, 0)), [UnitMessage(layer="layer3", channel=5, row=0, column=0)]),
    "a list": ([Unit("layer3", 5), Unit("fc", 0)], [UNIT, UnitMessage(layer="fc", channel=0)]),
    "numpy's integers": (
        (Unit("layer3", np.int64(5), tuple(np.array([3, 4]))),),  # type: ignore[arg-type]
        [UnitMessage(layer="layer3", channel=5, row=3, column=4)],
    ),
}
LAYERS: dict[str, tuple[Any, list[str]]] = {
    "none": (None, []),
    "a name": ("layer3", ["layer3"]),
    "a list": (["layer1", "layer3"], ["layer1", "layer3"]),
    "a generator": ((f"layer{number}" for number in (1, 3)), ["layer1", "layer3"]),
}
NAN = float("nan")
PRIOR = PriorInfo(
    "head", MODEL, "", "layer3", (256, 4, 4), 64, 64, {"preset": "tiny"}, 900, 100, 0.1, 0.2, 0.3, "", "", None
)
# What is said in place of `unit`, and the field that is to blame.
WRONG_UNITS: list[tuple[dict[str, Any], str]] = [
    ({"unit": []}, "units"),
    ({"unit": None}, "units"),
    ({"unit": 5}, "units"),
    ({"unit": "layer3:5"}, "units[0]"),
    ({"unit": [Unit("layer3", 5), ("layer3", 5)]}, "units[1]"),
    ({"unit": Unit(3, 5)}, "units[0].layer"),  # type: ignore[arg-type]
    ({"unit": [Unit("layer3", 5), Unit("layer3", 0.5)]}, "units[1].channel"),  # type: ignore[arg-type]
    ({"unit": Unit("layer3", 2**31)}, "units[0].channel"),
    ({"unit": Unit("layer3", 5, 3)}, "units[0].row"),  # type: ignore[arg-type]
    ({"unit": Unit("layer3", 5, (3, "4"))}, "units[0].column"),  # type: ignore[arg-type]
    ({"recipe": b"tyka2016"}, "recipe"),
    ({"image": np.zeros((2, 2), np.uint8)}, "image"),
    ({"steps": NAN}, "parameters.steps"),
    ({"l2": NAN}, "parameters.l2"),
    ({"prior": 5}, "prior"),
    ({"prior": ("head",)}, "prior"),
    ({"examples": "photos"}, "examples"),
    ({"examples": ("photos", 4)}, "examples"),
    ({"examples": DatasetExamples(5)}, "examples.collection"),  # type: ignore[arg-type]
    ({"examples": DatasetExamples("photos", 1.5)}, "examples.count"),  # type: ignore[arg-type]
    ({"examples": DatasetExamples("photos", 2**31)}, "examples.count"),
    ({"examples": DatasetExamples("photos", start=1)}, "examples.start"),  # type: ignore[arg-type]
    ({"chain_every": 0.5}, "parameters.chain_every"),
    ({"denoiser": 1}, "parameters.denoiser"),
    ({"denoising": "much"}, "parameters.denoising"),
    ({"wandering": NAN}, "parameters.wandering"),
    ({"layer": "layer3"}, "parameters.layer"),
    ({"priority": "high"}, "priority"),
]
FEATURES = np.zeros((512, 7, 7), np.float32)
WRONG_INVERSIONS: list[tuple[dict[str, Any], str]] = [
    ({"image": None}, "image"),
    ({"features": FEATURES}, "image"),
    ({"image": "missing.jpg"}, "image"),
    ({"layer": 3}, "layers"),
    ({"layer": []}, "layers"),
    ({"layer": ["layer3", 4]}, "layers[1]"),
    ({"layer": "layer3", "all_layers": True}, "layers"),
    ({"all_layers": 1}, "all_layers"),
    ({"all_layers": None}, "all_layers"),
    ({"recipe": 5}, "recipe"),
    ({"alpha": "six"}, "parameters.alpha"),
    ({"top_k": 5}, "parameters.top_k"),
    ({"preview_seconds": NAN}, "preview_seconds"),
]
# What is said as `features`, with a layer.
WRONG_FEATURES: dict[str, Any] = {
    "a picture's pixels": np.zeros((7, 7, 3), np.uint8),
    "whole numbers": np.zeros((512, 7, 7), int),
    "complex numbers": np.zeros((512, 7, 7), complex),
    "objects": np.array([None]),
    "a text": "features.npy",
    "rows of unequal length": [[0.5], [0.5, 1.0]],
    "a batch": np.zeros((1, 512, 7, 7), np.float32),
    "one number": np.float32(1),
    "nothing": np.zeros((0, 7, 7), np.float32),
    "NaN": np.array([0, NAN]),
    "infinity": np.array([0, np.inf], np.float32),
    "more than float32 can hold": np.array([1e300]),
}
WRONG_ATTACKS: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"image": "missing.jpg"}, "image"),
    ({"target": 1.5}, "target"),
    ({"target": ["tabby"]}, "target"),
    ({"attack": 5}, "attack"),
    ({"norm": 2}, "norm"),
    ({"epsilon": "8/255"}, "epsilon"),
    ({"epsilon": NAN}, "epsilon"),
    ({"steps": 1.5}, "steps"),
    ({"step_size": float("inf")}, "step_size"),
    ({"restarts": True}, "restarts"),
    ({"random_start": 1}, "random_start"),
    ({"confidence": "sure"}, "confidence"),
    ({"seed": 2**63}, "seed"),
    ({"request_id": 7}, "request_id"),
]


@pytest.fixture
def server() -> Iterator[JobServer]:
    """In place of the shared one, which makes no pictures."""
    with serving_jobs() as server:
        yield server


@pytest.fixture
def jobs(server: JobServer) -> JobStandIn:
    return server.jobs


@pytest.fixture(params=CLIENTS)
def either(request: pytest.FixtureRequest, server: JobServer) -> Any:
    """Both clients, one after the other."""
    return CLIENTS[request.param](server.address)


@pytest.fixture(params=CLIENTS)
def nobody(request: pytest.FixtureRequest) -> Any:
    """Both clients, where no server is."""
    return CLIENTS[request.param](f"127.0.0.1:{free_port()}")


def options_of(jobs: JobStandIn) -> JobOptions:
    """Of the one request, where nothing is said: a name that the client made."""
    (request,) = jobs.requests
    assert len(request.options.request_id) == 32
    return JobOptions(request_id=request.options.request_id)


def assert_refused(field: str, call: Any, *arguments: Any, **how: Any) -> InvalidArgument:
    """Before any call."""
    with pytest.raises(InvalidArgument) as caught:
        call(*arguments, **how)
    assert (caught.value.field, caught.value.status) == (field, "")
    return caught.value


# Classes: the start, in both clients. The rest is in test_jobs.py.


def test_a_class_starts_from_a_picture_in_any_form(either: Any, jobs: JobStandIn, cat_path: Path) -> None:
    either.visualize_class(model=MODEL, target=281, image=cat_path, recipe="szegedy2013", steps=3)
    assert jobs.requests == [
        VisualizeClassRequest(
            model=f"models/{MODEL}", targets=[ClassReference(index=281)], recipe="szegedy2013",
            parameters=SynthesisParameters(steps=3), image=Image(encoded=cat_path.read_bytes()),
            options=options_of(jobs),
        )
    ]  # fmt: skip


@pytest.mark.parametrize("prior", ["head", "priors/head", PRIOR], ids=["a name", "a resource name", "itself"])
def test_a_prior_and_examples_are_named_to_the_server(either: Any, jobs: JobStandIn, prior: Any) -> None:
    examples = DatasetExamples("photos", np.int64(6), start=True)  # type: ignore[arg-type]
    how: dict[str, Any] = {"model": MODEL, "recipe": "nguyen2016_ppgn", "prior": prior, "request_id": "mine"}
    either.visualize_class(target=281, examples=examples, denoising=0.25, wandering=0, chain_every=5, **how)
    how["request_id"] = "other"
    either.visualize_channel(unit=Unit("layer3", 5), examples=DatasetExamples("collections/photos"), **how)
    assert jobs.requests == [
        VisualizeClassRequest(
            model=f"models/{MODEL}", targets=[ClassReference(index=281)], recipe="nguyen2016_ppgn",
            parameters=SynthesisParameters(denoising=0.25, wandering=0.0, chain_every=5), prior="priors/head",
            examples=DatasetExamplesMessage(collection="collections/photos", count=6, start=True),
            options=JobOptions(request_id="mine"),
        ),
        VisualizeChannelRequest(
            model=f"models/{MODEL}", units=[UNIT], recipe="nguyen2016_ppgn", prior="priors/head",
            examples=DatasetExamplesMessage(collection="collections/photos"), options=JobOptions(request_id="other"),
        ),
    ]  # fmt: skip


# Units.


@pytest.mark.parametrize("case", UNITS)
def test_a_unit_is_one_or_several(either: Any, jobs: JobStandIn, case: str) -> None:
    unit, messages = UNITS[case]
    job = either.visualize_channel(model=MODEL, unit=unit)
    assert jobs.requests == [VisualizeChannelRequest(model=f"models/{MODEL}", units=messages, options=options_of(jobs))]
    assert jobs.records[job.name].job.kind == "visualize_channel"


def test_all_that_is_said_of_a_channel_is_sent(either: Any, jobs: JobStandIn) -> None:
    either.visualize_channel(
        model=MODEL, unit=Unit("layer3", 5), recipe="tyka2016", image=b"a picture", priority=9, preview_seconds=0,
        request_id="mine", steps=3, copies=4, diversity=0.5, brightness=None,
    )  # fmt: skip
    assert jobs.requests == [
        VisualizeChannelRequest(
            model=f"models/{MODEL}", units=[UNIT], recipe="tyka2016", image=Image(encoded=b"a picture"),
            parameters=SynthesisParameters(steps=3, copies=4, diversity=0.5),
            options=JobOptions(request_id="mine", priority=9, preview_seconds=0.0),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("changes", "field"), WRONG_UNITS, ids=str)
def test_a_wrong_argument_of_visualize_channel_is_told_before_any_call(
    nobody: Any, changes: dict[str, Any], field: str
) -> None:
    assert_refused(field, nobody.visualize_channel, **{"model": MODEL, "unit": Unit("layer3", 5), **changes})


def test_an_unknown_parameter_is_told_with_those_that_there_are(nobody: Any) -> None:
    how = {"model": MODEL, "unit": Unit("layer3", 5), "normalised": True}
    error = assert_refused("parameters.normalised", nobody.visualize_channel, **how)
    assert "no parameter 'normalised'; it has parameterization, size, noise" in error.message
    assert error.message.endswith("stages, seed")
    how = {"model": MODEL, "unit": Unit("layer3", 5), "stages": [{"size": 64}]}
    error = assert_refused("parameters.stages[0].size", nobody.visualize_channel, **how)
    assert error.message == "a stage has no 'size'; it has share, scale, step, blur, layer"


# Features.


@pytest.mark.parametrize("case", LAYERS)
def test_layers_are_none_one_or_several(server: JobServer, jobs: JobStandIn, cat_path: Path, case: str) -> None:
    layer, names = LAYERS[case]
    with Client.connect(server.address) as client:
        client.invert_features(cat_path, model=MODEL, layer=layer)
    assert jobs.requests == [
        InvertFeaturesRequest(
            model=f"models/{MODEL}", image=Image(encoded=cat_path.read_bytes()), layers=names, options=options_of(jobs)
        )
    ]


def test_all_that_is_said_of_an_inversion_is_sent(either: Any, jobs: JobStandIn) -> None:
    either.invert_features(
        b"a picture", model=MODEL, all_layers=True, recipe="olah2017", priority=0, preview_seconds=1,
        request_id="mine", steps=3, seed=1,
    )  # fmt: skip
    assert jobs.requests == [
        InvertFeaturesRequest(
            model=f"models/{MODEL}", image=Image(encoded=b"a picture"), all_layers=True, recipe="olah2017",
            parameters=SynthesisParameters(steps=3, seed=1),
            options=JobOptions(request_id="mine", priority=0, preview_seconds=1.0),
        )
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f4"])
def test_features_go_as_float32_little_endian(either: Any, jobs: JobStandIn, dtype: str) -> None:
    values = np.arange(24).reshape(2, 3, 4) / 8
    # Transposed: not in the order of its memory.
    either.invert_features(features=values.astype(dtype).transpose(2, 0, 1), model=MODEL, layer="layer4")
    (request,) = jobs.requests
    expected = values.transpose(2, 0, 1).astype("<f4").tobytes()
    assert request.features == Tensor(shape=[4, 2, 3], data_type=DataType.DATA_TYPE_FLOAT32, data=expected)
    assert (request.WhichOneof("source"), list(request.layers)) == ("features", ["layer4"])


@pytest.mark.parametrize(("changes", "field"), WRONG_INVERSIONS, ids=lambda value: str(value)[:60])
def test_a_wrong_argument_of_invert_features_is_told_before_any_call(
    nobody: Any, changes: dict[str, Any], field: str
) -> None:
    assert_refused(field, nobody.invert_features, **{"image": b"a picture", "model": MODEL, **changes})


@pytest.mark.parametrize("case", WRONG_FEATURES)
def test_features_of_a_wrong_kind_are_told_before_any_call(nobody: Any, case: str) -> None:
    error = assert_refused(
        "features", nobody.invert_features, model=MODEL, layer="layer4", features=WRONG_FEATURES[case]
    )
    assert error.message.startswith("features must be")


@pytest.mark.parametrize("how", [{}, {"layer": ["layer3", "layer4"]}, {"all_layers": True}], ids=str)
def test_features_are_of_one_layer(nobody: Any, how: dict[str, Any]) -> None:
    error = assert_refused("layers", nobody.invert_features, model=MODEL, features=FEATURES, **how)
    assert error.message == "features are of one layer, which must be named"


# Attacks.


def test_what_is_not_said_of_an_attack_is_left_to_the_server(either: Any, jobs: JobStandIn, cat_path: Path) -> None:
    either.create_adversarial(cat_path, model=MODEL)
    assert jobs.requests == [
        CreateAdversarialRequest(
            model=f"models/{MODEL}", image=Image(encoded=cat_path.read_bytes()), options=options_of(jobs)
        )
    ]


def test_all_that_is_said_of_an_attack_is_sent(either: Any, jobs: JobStandIn) -> None:
    either.create_adversarial(
        b"a picture", model=MODEL, target="flamingo", attack="pgd", norm="l2", epsilon=np.float64(0.5), steps=9,
        step_size=1, restarts=4, random_start=False, confidence=0, seed=3, priority=0, preview_seconds=0,
        request_id="mine",
    )  # fmt: skip
    assert jobs.requests == [
        CreateAdversarialRequest(
            model=f"models/{MODEL}", image=Image(encoded=b"a picture"), target=ClassReference(label="flamingo"),
            attack="pgd", norm="l2", epsilon=0.5, steps=9, step_size=1.0, restarts=4, random_start=False,
            confidence=0.0, seed=3, options=JobOptions(request_id="mine", priority=0, preview_seconds=0.0),
        )
    ]  # fmt: skip


def test_without_a_picture_an_attack_begins_with_noise(either: Any, jobs: JobStandIn) -> None:
    either.create_adversarial(model=MODEL, target=130)
    (request,) = jobs.requests
    assert not request.HasField("image")
    with pytest.raises(InvalidArgument, match="noise needs a target") as caught:
        either.create_adversarial(model=MODEL)
    assert (caught.value.field, caught.value.status) == ("target", "INVALID_ARGUMENT")


@pytest.mark.parametrize(("changes", "field"), WRONG_ATTACKS, ids=str)
def test_a_wrong_argument_of_create_adversarial_is_told_before_any_call(
    nobody: Any, changes: dict[str, Any], field: str
) -> None:
    assert_refused(field, nobody.create_adversarial, **{"image": b"a picture", "model": MODEL, **changes})
