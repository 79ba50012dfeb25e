"""Every failure is a typed error that says where, why and what to do."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from convscope import client as sdk
from convscope.client import (
    Cancelled,
    Client,
    ClientError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Preprocessed,
    ResourceExhausted,
    ServerFault,
    Unavailable,
)
from tests.clients.answers import class_of
from tests.clients.conftest import Ask
from tests.clients.names import LITE, RESNET
from tests.clients.stand_in import StandIn, Waiting, refuse, standing_in
from tests.processes import ServerProcess, free_port, serving, wait_until

TOKEN = "a secret of the tests"
MEBIBYTE = 1024 * 1024

# What is changed of a right question: the error, its reason, field and status (empty: no call was made), and words of
# its message.
REFUSED: dict[str, tuple[dict[str, Any], type[ClientError], str, str, str, str]] = {
    "unknown model": (
        {"model": "efficientnet_lite9"}, NotFound, "UNKNOWN_MODEL", "model", "NOT_FOUND", "efficientnet_lite0"),
    "no model": ({"model": ""}, InvalidArgument, "MODEL_MISSING", "model", "INVALID_ARGUMENT", "models/"),
    "model not loaded": (
        {"model": "vgg16"}, FailedPrecondition, "MODEL_NOT_LOADED", "model", "FAILED_PRECONDITION", "LoadModel"),
    "unknown layer": (
        {"model": RESNET, "layer": "layer4.9"}, InvalidArgument, "UNKNOWN_LAYER", "method.grad_cam.layer",
        "INVALID_ARGUMENT", "layer4.1"),
    "layer without places": (
        {"layer": "classifier"}, InvalidArgument, "LAYER_NOT_SPATIAL", "method.grad_cam.layer", "INVALID_ARGUMENT",
        "[1000]"),
    "unknown label": ({"target": "taby"}, InvalidArgument, "UNKNOWN_CLASS", "target", "INVALID_ARGUMENT", "tabby"),
    "label of two classes": (
        {"target": "CARDIGAN"}, InvalidArgument, "AMBIGUOUS_CLASS", "target", "INVALID_ARGUMENT", "264, 474"),
    "class index too high": (
        {"target": 1000}, InvalidArgument, "UNKNOWN_CLASS", "target", "INVALID_ARGUMENT", "0 to 999"),
    "class index negative": (
        {"target": -1}, InvalidArgument, "UNKNOWN_CLASS", "target", "INVALID_ARGUMENT", "0 to 999"),
    "class index huge": ({"target": 2**40}, InvalidArgument, "OUT_OF_RANGE", "target", "", "range"),
    "class index no whole number": ({"target": 281.0}, InvalidArgument, "OUT_OF_RANGE", "target", "", "whole number"),
    "label that is no text": ({"target": "caf\udce9"}, InvalidArgument, "UNKNOWN_CLASS", "target", "", "caf"),
    "label that is a list": (
        {"target": ["tabby"]}, InvalidArgument, "OUT_OF_RANGE", "target", "", "a Word or an Answer, not ['tabby']"),
    "label that is bytes": ({"target": b"tabby"}, InvalidArgument, "OUT_OF_RANGE", "target", "", "not b'tabby'"),
    "model that is a number": ({"model": 4}, InvalidArgument, "UNKNOWN_MODEL", "model", "", "must be text, not 4"),
    "model that is no text": ({"model": "caf\udce9"}, InvalidArgument, "UNKNOWN_MODEL", "model", "", "caf"),
    "unknown method": ({"method": "grad_cat"}, InvalidArgument, "UNKNOWN_METHOD", "method", "", "grad_cam, "),
    "unknown parameter": ({"relus": True}, InvalidArgument, "INVALID_PARAMETER", "relus", "", "layer, relu"),
    "parameter of another method": (
        {"method": "saliency", "layer": "head"}, InvalidArgument, "INVALID_PARAMETER", "layer", "", "abs"),
    "flag of a wrong type": ({"relu": "yes"}, InvalidArgument, "INVALID_PARAMETER", "relu", "", "'yes'"),
    "layer of a wrong type": ({"layer": 4}, InvalidArgument, "INVALID_PARAMETER", "layer", "", "4"),
    "unknown data type": (
        {"data_type": "float8"}, InvalidArgument, "OUT_OF_RANGE", "data_type", "", "float32, float16"),
    "unknown precision": (
        {"precision": "float16"}, InvalidArgument, "OUT_OF_RANGE", "precision", "", "float32, bfloat16"),
    "parameter out of range": (
        {"method": "integrated_gradients", "steps": 0}, InvalidArgument, "INVALID_PARAMETER",
        "method.integrated_gradients.steps", "INVALID_ARGUMENT", "greater than or equal to 1"),
    "number of a wrong type": (
        {"method": "occlusion", "window": 1.5}, InvalidArgument, "INVALID_PARAMETER", "window", "", "1.5"),
    "number that is too large": (
        {"method": "rise", "masks": 2**40}, InvalidArgument, "INVALID_PARAMETER", "masks", "", "range"),
    "colour that is no list": (
        {"method": "occlusion", "fill_color": 0.5}, InvalidArgument, "INVALID_PARAMETER", "fill_color", "", "0.5"),
    "colour of two numbers": (
        {"method": "occlusion", "fill_color": [0.5, 0.5]}, InvalidArgument, "INVALID_PARAMETER",
        "method.occlusion.fill_color", "INVALID_ARGUMENT", "fill_color"),
    "method without parameters": (
        {"method": "gradient", "layer": "head"}, InvalidArgument, "INVALID_PARAMETER", "layer", "", "it has none"),
    "too many classes": ({"top_k": 1001}, InvalidArgument, "OUT_OF_RANGE", "top_k", "INVALID_ARGUMENT", "0 to 1000"),
    "half a class": ({"top_k": 1.5}, InvalidArgument, "OUT_OF_RANGE", "top_k", "", "whole number"),
}  # fmt: skip

# What is no picture: reason, field, words of the message.
NO_PICTURES: dict[str, tuple[Any, str, str, str]] = {
    "missing file": ("missing.jpg", "IMAGE_UNREADABLE", "image", "missing.jpg"),
    "directory": (Path("/"), "IMAGE_UNREADABLE", "image", "/"),
    "name with a zero": ("a\0b.jpg", "IMAGE_UNREADABLE", "image", "cannot be read"),
    "no bytes": (b"", "IMAGE_UNDECODABLE", "image.encoded", "no bytes"),
    "random bytes": (np.random.default_rng(1).bytes(1024), "IMAGE_UNDECODABLE", "image.encoded", "JPEG, PNG or WebP"),
    "floats": (np.zeros((224, 224, 3), np.float32), "IMAGE_INVALID", "image", "Preprocessed(array)"),
    "channels first": (np.zeros((3, 224, 224), np.uint8), "IMAGE_INVALID", "image", "[3, 224, 224]"),
    "grey array": (np.zeros((224, 224), np.uint8), "IMAGE_INVALID", "image", "[224, 224]"),
    "empty array": (np.zeros((0, 224, 3), np.uint8), "TENSOR_INVALID", "image.pixels.shape", "[0, 224, 3]"),
    "nothing": (None, "IMAGE_INVALID", "image", "uint8"),
    "ragged lists": ([[1, 2], [3]], "IMAGE_INVALID", "image", "uint8"),
    "preprocessed of a wrong size": (
        Preprocessed(np.zeros((3, 32, 32))), "TENSOR_INVALID", "image.preprocessed.shape", "[3, 224, 224]"),
    "preprocessed with NaN": (
        Preprocessed(np.full((3, 224, 224), np.nan)), "VALUE_NOT_FINITE", "image.preprocessed", "finite"),
    "preprocessed text": (Preprocessed(["cat"]), "IMAGE_INVALID", "image", "Preprocessed"),
}  # fmt: skip

CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNKNOWN: ServerFault,
    grpc.StatusCode.INTERNAL: ServerFault,
    grpc.StatusCode.UNIMPLEMENTED: ServerFault,
    grpc.StatusCode.ABORTED: ServerFault,
    grpc.StatusCode.ALREADY_EXISTS: ServerFault,
    grpc.StatusCode.DATA_LOSS: ServerFault,
}


@pytest.fixture(scope="module")
def strict_server() -> Iterator[ServerProcess]:
    """Asks for a token, and takes one call at a time."""
    with serving(token=TOKEN, queue_limit=1) as process:
        yield process


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_question_names_its_field_and_reason(ask: Ask, cat_path: Path, case: str) -> None:
    changes, error_class, reason, field, status, words = REFUSED[case]
    with pytest.raises(ClientError) as caught:
        ask(cat_path, **changes)
    error = caught.value
    assert (type(error), error.reason, error.field) == (error_class, reason, field)
    assert error.status == status
    assert words in error.message
    assert error.retry_after is None
    assert str(error) == error.message


@pytest.mark.parametrize("case", NO_PICTURES)
def test_what_is_no_picture_is_refused(ask: Ask, case: str) -> None:
    image, reason, field, words = NO_PICTURES[case]
    with pytest.raises(InvalidArgument) as caught:
        ask(image)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert words in caught.value.message


@pytest.mark.parametrize("top_k", [0, 1001, -1])
def test_classify_gives_1_to_1000_classes(client: Client, cat_path: Path, top_k: int) -> None:
    with pytest.raises(InvalidArgument, match="1 to 1000") as caught:
        client.classify(cat_path, model=LITE, top_k=top_k)
    assert (caught.value.reason, caught.value.field) == ("OUT_OF_RANGE", "top_k")


@pytest.mark.parametrize("call", ["model", "layers", "load_model", "unload_model"])
def test_an_unknown_model_is_not_found_by_any_call(client: Client, call: str) -> None:
    with pytest.raises(NotFound, match=r"nearest: .*resnet50") as caught:
        getattr(client, call)("resnet5")
    assert (caught.value.reason, caught.value.status) == ("UNKNOWN_MODEL", "NOT_FOUND")


def test_a_200_mb_picture_is_too_large(ask: Ask, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(200 * MEBIBYTE)
    with pytest.raises(InvalidArgument, match="too large") as caught:
        ask(large)
    assert caught.value.reason == "MESSAGE_TOO_LARGE"


def test_the_server_goes_on_after_every_error(ask: Ask, client: Client, cat_path: Path) -> None:
    for image in (b"", b"\xff\xd8\xff", "missing.jpg"):
        with pytest.raises(InvalidArgument):
            ask(image)
    assert client.ready()
    assert class_of(ask(cat_path)).label == "tiger cat"


def test_a_deadline_that_passes_is_an_error_of_its_own(client: Client, cat_path: Path) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        client.classify(cat_path, model=LITE, timeout=0.001)
    assert caught.value.status == "DEADLINE_EXCEEDED"


def test_the_clients_own_timeout_counts_where_a_call_names_none(server: ServerProcess, cat_path: Path) -> None:
    with Client.connect(server.address, timeout=0.001) as client:
        with pytest.raises(DeadlineExceeded):
            client.classify(cat_path, model=LITE)
        assert client.classify(cat_path, model=LITE, timeout=30)


@pytest.mark.parametrize("call", [Client.models, Client.ready], ids=["models", "ready"])
def test_no_server_is_told_within_five_seconds_with_the_address(call: Any) -> None:
    address = f"127.0.0.1:{free_port()}"
    started = time.monotonic()
    with Client.connect(address) as client, pytest.raises(Unavailable, match=address) as caught:
        call(client)
    assert time.monotonic() - started < 5
    assert (caught.value.status, caught.value.reason) == ("UNAVAILABLE", "")


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    with Client.connect("no-such-host.invalid:50051") as client, pytest.raises(Unavailable, match="no-such-host"):
        client.models()


def test_a_silent_server_runs_into_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with Client.connect(address, timeout=0.5) as client, pytest.raises(DeadlineExceeded):
            client.models()


@pytest.mark.parametrize("token", [None, "a wrong one"])
def test_without_the_token_everything_but_health_is_denied(
    strict_server: ServerProcess, cat_path: Path, token: str | None
) -> None:
    with Client.connect(strict_server.address, token=token) as client:
        with pytest.raises(PermissionDenied) as caught:
            client.classify(cat_path, model=LITE)
        assert (caught.value.reason, caught.value.status) == ("TOKEN_INVALID", "UNAUTHENTICATED")
        with pytest.raises(PermissionDenied):
            list(client.attribute_many([cat_path], model=LITE, method="grad_cam"))
        with pytest.raises(PermissionDenied) as watched:
            client.attribute(cat_path, model=LITE, method="grad_cam", on_progress=lambda done, total: None)
        assert watched.value.reason == "TOKEN_INVALID"
        with pytest.raises(PermissionDenied):
            client.compare(cat_path, ["grad_cam"], model=LITE)
        with pytest.raises(PermissionDenied):
            client.analyze_failure(cat_path, "tabby", model=LITE)
        assert client.ready()


def test_with_the_token_calls_are_answered(strict_server: ServerProcess, cat_path: Path) -> None:
    with Client.connect(strict_server.address, token=TOKEN) as client:
        assert client.classify(cat_path, model=LITE)
        assert len(list(client.attribute_many([cat_path] * 2, model=LITE, method="grad_cam"))) == 2


def test_a_full_server_says_when_to_try_again(strict_server: ServerProcess, cat_path: Path) -> None:
    outcomes: list[object] = []
    with Client.connect(strict_server.address, token=TOKEN) as client:

        def try_once(_: int) -> object:
            try:
                return client.attribute(cat_path, model=LITE, method="saliency")
            except ClientError as error:
                return error

        def both() -> bool:
            with ThreadPoolExecutor(16) as pool:
                outcomes.extend(pool.map(try_once, range(16)))
            return {type(outcome) for outcome in outcomes} >= {sdk.Attribution, ResourceExhausted}

        wait_until(both, "some of 16 calls at once answered and some refused")
    refused = [outcome for outcome in outcomes if isinstance(outcome, ClientError)]
    assert {type(error) for error in refused} == {ResourceExhausted}
    assert {(error.reason, error.status) for error in refused} == {("SERVER_BUSY", "RESOURCE_EXHAUSTED")}
    assert all(error.retry_after is not None and 0 < error.retry_after < 60 for error in refused)


def test_closing_the_client_cancels_calls_under_way() -> None:
    waiting = Waiting()
    with standing_in(StandIn(answer=waiting)) as server, ThreadPoolExecutor(1) as pool:
        client = Client.connect(server.address)
        call = pool.submit(client.classify, b"a picture", model="any")
        assert waiting.under_way.wait(30)
        client.close()
        with pytest.raises(Cancelled) as caught:
            call.result(30)
    assert caught.value.status == "CANCELLED"


@pytest.mark.parametrize("code", CLASSES, ids=lambda code: code.name)
def test_every_status_has_its_class_also_without_details(code: grpc.StatusCode) -> None:
    with standing_in(StandIn(answer=refuse(code, "because"))) as server, Client.connect(server.address) as client:
        with pytest.raises(CLASSES[code], match="because") as caught:
            client.classify(b"a picture", model="any")
        assert type(caught.value) is CLASSES[code]
        assert (caught.value.status, caught.value.reason, caught.value.field) == (code.name, "", "")
        # What its caller cannot mend, those who read the log have to find.
        name = caught.value.correlation_id
        assert (f", under {name}" in str(caught.value)) == (CLASSES[code] is ServerFault)


def test_a_call_that_the_server_does_not_know_is_a_fault_of_the_server() -> None:
    with standing_in(StandIn()) as server, Client.connect(server.address) as client:
        with pytest.raises(ServerFault) as caught:
            client.model("any")
        assert caught.value.status == "UNIMPLEMENTED"


def test_every_error_is_a_client_error() -> None:
    public = [getattr(sdk, name) for name in sdk.__all__]
    errors = [one for one in public if isinstance(one, type) and issubclass(one, Exception)]
    assert len(errors) == 10
    assert all(issubclass(error, ClientError) for error in errors)
