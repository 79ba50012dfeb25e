"""Bad input is refused with its status, reason and field, and nothing is queued for it."""

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from convscope.services.common.pages import to_token
from convscope.v1 import job_service_pb2
from convscope.v1.image_pb2 import Image
from convscope.v1.job_service_pb2 import DownloadArtifactRequest, ListJobsRequest, WatchJobRequest
from convscope.v1.model_service_pb2 import MODEL_TASK_CAPTION, MODEL_TASK_VQA, Layer, ModelCard, ModelTask
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    JobOptions,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference
from convscope.v1.tensor_pb2 import DataType, Tensor
from tests.services.calls import SECONDS, Refusal, refusal
from tests.services.jobs.server import MODEL, PNG, Jobs, JobStubs, dreaming, visualizing
from tests.services.pictures import noise, png_that_claims, to_file
from tests.services.test_bad_input import Case, has_field

INVALID = "INVALID_ARGUMENT"
UINT8, FLOAT32 = DataType.DATA_TYPE_UINT8, DataType.DATA_TYPE_FLOAT32
NAN, INF = math.nan, math.inf
LONG = "x" * 100_000
WIDE = "猫" * 50_000
UNKNOWN_ENUM: Any = 77
CARD = ModelCard(
    class_count=4,
    labels=["crane", "cat", "dog", "crane"],
    layers=[Layer(name=name) for name in ("stem", "blocks.0", "blocks.1", "head")],
)

Expected = tuple[str, str, str]


def parameter(name: str) -> Expected:
    return INVALID, "INVALID_PARAMETER", name


def out_of_range(name: str) -> Expected:
    return INVALID, "OUT_OF_RANGE", name


def seeing(*targets: ClassReference, **fields: Any) -> VisualizeClassRequest:
    """A good request for one class, but for what is given."""
    return VisualizeClassRequest(**{"model": MODEL, "targets": targets or [ClassReference(index=1)], **fields})


def label(text: str) -> VisualizeClassRequest:
    return seeing(ClassReference(index=0), ClassReference(label=text))


def index(number: int) -> VisualizeClassRequest:
    return seeing(ClassReference(index=0), ClassReference(index=number))


def pixels(shape: list[int], data_type: DataType = UINT8, data: bytes = bytes(300)) -> Image:
    """Ten by ten, but for what is given."""
    return Image(pixels=Tensor(shape=shape, data_type=data_type, data=data))


NO_CLASS = (INVALID, "UNKNOWN_CLASS", "targets[1]")
SEEING = [
    Case("no model", VisualizeClassRequest(targets=[ClassReference(index=1)]), (INVALID, "MODEL_MISSING", "model")),
    Case("an empty model", seeing(model="models/"), (INVALID, "MODEL_MISSING", "model")),
    Case("a long model", seeing(model=LONG), (INVALID, "NAME_INVALID", "model")),
    Case("a model that is a path", seeing(model="models/../x"), (INVALID, "NAME_INVALID", "model")),
    Case("no targets", VisualizeClassRequest(model=MODEL), out_of_range("targets"), "1 to 64"),
    Case("65 targets", visualizing(65), out_of_range("targets"), "65"),
    Case(
        "a target without a class",
        seeing(ClassReference(index=0), ClassReference()),
        (INVALID, "TARGET_MISSING", "targets[1]"),
    ),
    Case("index -1", index(-1), NO_CLASS, "-1"),
    Case("the least index", index(-(2**31)), NO_CLASS),
    Case("a long label", label(LONG), NO_CLASS),
    *(
        Case(f"priority {value}", seeing(options=JobOptions(priority=value)), out_of_range("options.priority"))
        for value in (-1, 10, 2**31 - 1)
    ),
    *(
        Case(
            f"preview_seconds {value}",
            seeing(options=JobOptions(preview_seconds=value)),
            out_of_range("options.preview_seconds"),
        )
        for value in (NAN, INF, -1, -1e-300)
    ),
    *(
        Case(
            f"a request_id of {len(text)} characters",
            seeing(options=JobOptions(request_id=text)),
            out_of_range("options.request_id"),
            str(len(text)),
        )
        for text in ("x" * 129, "猫" * 129, LONG)
    ),
]
DREAMING = [
    Case("no model", dreaming(model=""), (INVALID, "MODEL_MISSING", "model")),
    Case("no image", DeepDreamRequest(model=MODEL), (INVALID, "IMAGE_MISSING", "image")),
    Case("an empty image", dreaming(image=Image()), (INVALID, "IMAGE_MISSING", "image")),
    *(
        Case(what, dreaming(image=Image(encoded=data)), (INVALID, "IMAGE_UNDECODABLE", "image.encoded"))
        for what, data in {
            "no bytes": b"",
            "a truncated PNG": PNG[: len(PNG) // 2],
            "a GIF": to_file(noise(64, 48), "GIF"),
            "a text": b"<html>not found</html>",
        }.items()
    ),
    *(
        Case(what, dreaming(image=Image(encoded=data)), (INVALID, "IMAGE_TOO_LARGE", "image.encoded"))
        for what, data in {
            "too many pixels": to_file(noise(401, 250)),
            "50000 x 50000 pixels in a few KB": png_that_claims(50_000, 50_000),
        }.items()
    ),
    *(
        Case(f"pixels of shape {shape}", dreaming(image=pixels(shape)), (INVALID, "TENSOR_INVALID", path))
        for shape, path in (
            ([], "image.pixels.shape"),
            ([10, 10], "image.pixels.shape"),
            ([10, 10, 4], "image.pixels.shape"),
            ([3, 10, 10], "image.pixels.shape"),
            ([0, 10, 3], "image.pixels.shape"),
            ([-10, -10, 3], "image.pixels.shape"),
            ([10, 11, 3], "image.pixels.data"),
        )
    ),
    Case(
        "pixels without end",
        dreaming(image=pixels([2**62, 2**62, 3])),
        (INVALID, "IMAGE_TOO_LARGE", "image.pixels"),
    ),
    Case(
        "pixels that are floats",
        dreaming(image=pixels([10, 10, 3], FLOAT32, bytes(1200))),
        (INVALID, "TENSOR_INVALID", "image.pixels.data_type"),
    ),
    Case(
        "pixels that are nothing",
        dreaming(image=pixels([10, 10, 3], UNKNOWN_ENUM)),
        (INVALID, "TENSOR_INVALID", "image.pixels.data_type"),
    ),
    *(
        Case(
            f"pixels of {len(data)} bytes",
            dreaming(image=pixels([10, 10, 3], UINT8, data)),
            (INVALID, "TENSOR_INVALID", "image.pixels.data"),
        )
        for data in (b"", bytes(299), bytes(301))
    ),
    Case(
        "a preprocessed image",
        dreaming(image=Image(preprocessed=Tensor(shape=[3, 2, 2], data_type=FLOAT32, data=bytes(48)))),
        (INVALID, "IMAGE_PREPROCESSED", "image.preprocessed"),
    ),
    Case("an empty guide", dreaming(guide=Image()), (INVALID, "IMAGE_MISSING", "guide")),
    Case(
        "a truncated guide",
        dreaming(guide=Image(encoded=PNG[:-200])),
        (INVALID, "IMAGE_UNDECODABLE", "guide.encoded"),
    ),
    Case(
        "a guide with too many pixels",
        dreaming(guide=Image(encoded=png_that_claims(401, 250))),
        (INVALID, "IMAGE_TOO_LARGE", "guide.encoded"),
    ),
    Case(
        "a guide of a wrong shape", dreaming(guide=pixels([10, 10])), (INVALID, "TENSOR_INVALID", "guide.pixels.shape")
    ),
    Case("a long layer", dreaming(layer=LONG), (INVALID, "UNKNOWN_LAYER", "layer")),
    *(Case(f"{steps} steps", dreaming(steps=steps), parameter("steps")) for steps in (0, -1, 1001, 10**9)),
    Case("too many steps in all octaves", dreaming(steps=1000, octaves=6), out_of_range("steps"), "6000"),
    *(Case(f"{count} octaves", dreaming(octaves=count), parameter("octaves")) for count in (0, -1, 11)),
    *(
        Case(f"octave_scale {value}", dreaming(octave_scale=value), parameter("octave_scale"))
        for value in (1.0, 4.5, 0, -2, NAN, INF)
    ),
    *(
        Case(f"step_size {value}", dreaming(step_size=value), parameter("step_size"))
        for value in (0, -1, NAN, INF, -INF)
    ),
    *(Case(f"size {size}", dreaming(size=size), parameter("size")) for size in (1, 0, -1, 31, 4097, 2**31 - 1)),
    *(Case(f"jitter {value}", dreaming(jitter=value), parameter("jitter")) for value in (-1, 2**31 - 1)),
    Case("seed -1", dreaming(seed=-1), parameter("seed")),
    Case("a channel twice", dreaming(channels=[3, 5, 3]), parameter("channels"), "3"),
    Case("a negative channel", dreaming(channels=[3, -1]), parameter("channels"), "-1"),
    Case("very many channels", dreaming(channels=range(100_000)), parameter("channels")),
    Case("priority 10", dreaming(options=JobOptions(priority=10)), out_of_range("options.priority")),
]
WITH_CARD = [
    *(Case(f"index {number}", index(number), NO_CLASS, "0 to 3") for number in (-1, 4, 2**31 - 1)),
    Case("an unknown label", label("cot"), NO_CLASS, "nearest: cat"),
    Case("an empty label", label(""), NO_CLASS),
    Case("a label that two classes share", label("Crane"), (INVALID, "AMBIGUOUS_CLASS", "targets[1]"), "0, 3"),
    Case("a long label", label(LONG), NO_CLASS),
    Case("a wide label", label(WIDE), NO_CLASS),
    Case("an unknown layer", dreaming(layer="block.1"), (INVALID, "UNKNOWN_LAYER", "layer"), "nearest: blocks.1"),
    Case("a long layer", dreaming(layer=LONG), (INVALID, "UNKNOWN_LAYER", "layer")),
    Case("a wide layer", dreaming(layer=WIDE), (INVALID, "UNKNOWN_LAYER", "layer")),
]


def assert_refused(found: Refusal, expected: Expected, says: str = "") -> None:
    assert (found.code, found.reason, found.field) == expected, found.message
    assert found.violations == (found.field,)
    assert found.domain == "convscope"
    assert found.message
    assert says in found.message
    assert found.retry_after is None
    assert found.size < 3 * 1024


def case_id(case: Case) -> str:
    return f"{type(case.request).__name__}-{case.name}"[:80]


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("case", SEEING + DREAMING, ids=case_id)
def test_work_is_refused(case: Case, send: Callable[[Message], object]) -> None:
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)
    assert has_field(case.request, case.expected[2])


@pytest.fixture
def card(jobs: Jobs) -> None:
    jobs.publish(CARD)


@pytest.mark.usefixtures("card", "nothing_queued")
@pytest.mark.parametrize("case", WITH_CARD, ids=case_id)
def test_what_the_models_card_does_not_have_is_refused(case: Case, send: Callable[[Message], object]) -> None:
    assert_refused(refusal(lambda: send(case.request)), case.expected, case.says)


@pytest.mark.usefixtures("card")
def test_what_the_models_card_has_is_queued(jobs: Jobs, send: Callable[[Message], object]) -> None:
    for request in (label("DOG"), index(3), dreaming(layer="blocks.1"), dreaming(layer="inception_4c/output")):
        assert send(request)
    assert len(jobs.names()) == 4


def test_without_a_card_the_worker_will_check(jobs: Jobs, send: Callable[[Message], object]) -> None:
    for request in (label("DOG"), index(100_000), dreaming(layer="layers.99")):
        assert send(request)
    assert len(jobs.names()) == 3


def test_a_card_without_labels_has_numbers(jobs: Jobs, send: Callable[[Message], object]) -> None:
    jobs.publish(ModelCard(class_count=3))
    assert send(index(2))
    assert_refused(refusal(lambda: send(index(3))), NO_CLASS, "0 to 2")


@pytest.mark.parametrize(
    ("task", "does"), [(MODEL_TASK_CAPTION, "captions pictures"), (MODEL_TASK_VQA, "answers questions")]
)
def test_classes_are_of_models_that_classify(
    jobs: Jobs, send: Callable[[Message], object], task: ModelTask, does: str
) -> None:
    jobs.publish(ModelCard(class_count=3, labels=["dog", "cat", "hen"], task=task))
    adversarial = CreateAdversarialRequest(model=MODEL, target=ClassReference(label="dog"))
    for request in (label("dog"), adversarial):
        refused = refusal(lambda request=request: send(request))  # type: ignore[misc]
        assert (refused.code, refused.reason, refused.field) == ("FAILED_PRECONDITION", "TASK_UNSUPPORTED", "model")
        assert does in refused.message
    assert jobs.names() == []


# What is just right, so that the limits lie where the contract says.
GOOD = [
    visualizing(64),
    visualizing(request_id="猫" * 128, priority=0, preview_seconds=0),
    visualizing(priority=9),
    dreaming(octaves=1, octave_scale=1.001, size=32, steps=1, jitter=0),
    dreaming(octaves=10, octave_scale=4, size=4096, steps=500),
    dreaming(image=pixels([10, 10, 3]), guide=Image(encoded=to_file(noise(400, 250), "JPEG")), channels=[0, 7]),
    dreaming(image=Image(encoded=to_file(noise(64, 48), "WEBP"))),
]


@pytest.mark.parametrize("request_", GOOD, ids=range(len(GOOD)))
def test_the_limits_themselves_are_taken(request_: Message, jobs: Jobs, send: Callable[[Message], object]) -> None:
    assert send(request_)
    assert len(jobs.names()) == 1


NAMES = {
    "empty": "",
    "no job": "jobs/",
    "a bare id": "a1",
    "another collection": "operations/1",
    "a path": "jobs/../x",
    "capitals": "jobs/UPPER",
    "a slash at the end": "jobs/a1/",
    "a line break": "jobs/a1\n",
    "a space": "jobs/a 1",
    "zero": "jobs/a\0",
    "a pattern": "jobs/*",
    "a colon": "jobs/a:b",
    "65 characters": "jobs/" + "a" * 65,
    "not ASCII": "jobs/猫",
    "10 kB": "jobs/" + "x" * 10_000,
    "10 kB of cats": "jobs/" + "猫" * 10_000,
}
BY_NAME: Mapping[str, Callable[[str], Message]] = {
    "Get": lambda name: GetOperationRequest(name=name),
    "Cancel": lambda name: CancelOperationRequest(name=name),
    "Delete": lambda name: DeleteOperationRequest(name=name),
    "Wait": lambda name: WaitOperationRequest(name=name),
    "Watch": lambda name: WatchJobRequest(name=name),
}


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("rpc", BY_NAME)
def test_a_name_that_is_none_of_a_job_is_refused(rpc: str, send: Callable[[Message], object]) -> None:
    for name in NAMES.values():
        found = refusal(lambda name=name: send(BY_NAME[rpc](name)))  # type: ignore[misc]
        assert_refused(found, (INVALID, "NAME_INVALID", "name"), "jobs/NAME")


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("rpc", BY_NAME)
@pytest.mark.parametrize("name", ["jobs/a1", "jobs/" + "a" * 64, "jobs/0e5b1a5e-7b0c-4a57-b9f6-111111111111"])
def test_a_job_that_is_not_there_is_not_found(rpc: str, name: str, send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(BY_NAME[rpc](name)))
    assert_refused(found, ("NOT_FOUND", "UNKNOWN_JOB", "name"), name)


@pytest.mark.parametrize(
    "file", ["..", ".", "", "../../etc/passwd", "a/b", "/etc/passwd", ".hidden", "a\0b", "x" * 101, "猫", LONG]
)
def test_a_file_that_is_none_of_a_job_is_refused(file: str, jobs: Jobs, send: Callable[[Message], object]) -> None:
    name = jobs.succeeded()
    found = refusal(lambda: send(DownloadArtifactRequest(name=f"{name}/artifacts/{file}")))
    assert_refused(found, (INVALID, "NAME_INVALID", "name"), "jobs/NAME/artifacts/FILE")


@pytest.mark.parametrize("name", ["", "jobs/a1", "artifacts/a", "jobs/../artifacts/a", "jobs/a1/artifact/a"])
def test_a_name_that_is_none_of_a_file_is_refused(name: str, send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(DownloadArtifactRequest(name=name)))
    assert_refused(found, (INVALID, "NAME_INVALID", "name"))


def test_a_file_that_is_not_there_is_not_found(jobs: Jobs, send: Callable[[Message], object]) -> None:
    name = jobs.succeeded()
    found = refusal(lambda: send(DownloadArtifactRequest(name=f"{name}/artifacts/image-1.png")))
    assert_refused(found, ("NOT_FOUND", "UNKNOWN_ARTIFACT", "name"), "image-1.png")
    found = refusal(lambda: send(DownloadArtifactRequest(name="jobs/a1/artifacts/image-0.png")))
    assert_refused(found, ("NOT_FOUND", "UNKNOWN_JOB", "name"), "a1")


@pytest.mark.parametrize("offset", [-1, -(2**63), 10, 2**62, 2**63 - 1])
def test_an_offset_outside_the_file_is_refused(offset: int, jobs: Jobs, send: Callable[[Message], object]) -> None:
    name = jobs.succeeded(b"a picture")
    found = refusal(lambda: send(DownloadArtifactRequest(name=f"{name}/artifacts/image-0.png", offset=offset)))
    assert_refused(found, out_of_range("offset"))


@pytest.mark.parametrize("after", [-1, -(2**63)])
def test_a_number_below_the_first_event_is_refused(after: int, jobs: Jobs, send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(WatchJobRequest(name=jobs.succeeded(), after=after)))
    assert_refused(found, out_of_range("after"))


@pytest.mark.parametrize("seconds", [-1, -(2**63)])
def test_a_negative_timeout_is_refused(seconds: int, jobs: Jobs, send: Callable[[Message], object]) -> None:
    name = jobs.visualize().name
    found = refusal(lambda: send(WaitOperationRequest(name=name, timeout=Duration(seconds=seconds))))
    assert_refused(found, out_of_range("timeout"))


LISTS: Mapping[str, type[Message]] = {"ListJobs": ListJobsRequest, "ListOperations": ListOperationsRequest}


@pytest.mark.parametrize("rpc", LISTS)
@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1, -(2**31)])
def test_a_page_size_out_of_range_is_refused(rpc: str, size: int, send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(LISTS[rpc](page_size=size)))
    assert_refused(found, out_of_range("page_size"), "1 to 1000")


def foreign_tokens(filters: str) -> dict[str, str]:
    """Page tokens that no such list has given; filters: what a real one says of its filters."""

    def written(*place: object) -> str:
        return to_token(json.dumps([*place, filters]))

    return {
        "rubbish": "?!",
        "no base64": "abc",
        "not ASCII": "猫",
        "no text": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        "of a list of models": to_token("efficientnet_lite0"),
        "a number": to_token("7"),
        "text": to_token('"abc"'),
        "an object": to_token('{"a": 1, "b": 2, "c": 3}'),
        "too short": to_token(json.dumps([1.5, filters])),
        "too long": written(1.5, "a", "b"),
        "of other filters": to_token(json.dumps([1.5, "a", "0" * 16])),
        "NaN": written(NAN, "a"),
        "infinity": written(INF, "a"),
        "a huge number": to_token(f'[{"9" * 400}, "a", "{filters}"]'),
        "a longer number": to_token(f'[{"9" * 5000}, "a", "{filters}"]'),
        "nothing": written(None, "a"),
        "a list": written([1.5], "a"),
        "nested": to_token("[" * 100_000),
        "1 MB": "A" * 1_000_000,
    }


@pytest.mark.parametrize("rpc", LISTS)
def test_a_page_token_of_another_list_is_refused(rpc: str, jobs: Jobs, send: Callable[[Message], Any]) -> None:
    for _ in range(2):
        jobs.visualize()
    real = send(LISTS[rpc](page_size=1)).next_page_token
    filters = json.loads(base64.urlsafe_b64decode(real))[-1]
    for what, token in foreign_tokens(filters).items():
        found = refusal(lambda token=token: send(LISTS[rpc](page_size=1, page_token=token)))  # type: ignore[misc]
        assert (what, found.reason) == (what, "PAGE_TOKEN_INVALID")
        assert_refused(found, (INVALID, "PAGE_TOKEN_INVALID", "page_token"))
    assert not send(LISTS[rpc](page_size=1, page_token=real)).next_page_token


def test_a_page_token_goes_with_its_filters(jobs: Jobs, send: Callable[[Message], Any]) -> None:
    for _ in range(3):
        jobs.visualize()
    queued = [job_service_pb2.JOB_STATE_QUEUED]
    token = send(ListJobsRequest(page_size=1, states=queued)).next_page_token
    assert send(ListJobsRequest(page_size=1, states=queued, page_token=token)).jobs
    for other in (
        ListJobsRequest(page_size=1, page_token=token),
        ListJobsRequest(page_size=1, page_token=token, states=[*queued, job_service_pb2.JOB_STATE_RUNNING]),
        ListJobsRequest(page_size=1, page_token=token, states=queued, kinds=["deep_dream"]),
        ListOperationsRequest(page_size=1, page_token=token),
    ):
        found = refusal(lambda other=other: send(other))  # type: ignore[misc]
        assert_refused(found, (INVALID, "PAGE_TOKEN_INVALID", "page_token"))


@pytest.mark.parametrize("state", [0, 6, 77, -1])
def test_an_unknown_state_is_refused(state: Any, send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(ListJobsRequest(states=[job_service_pb2.JOB_STATE_QUEUED, state])))
    assert_refused(found, (INVALID, "UNKNOWN_STATE", "states[1]"), str(state))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("visualise_class", "nearest: visualize_class"),
        ("", "known"),
        ("DeepDream", "deep_dream"),
        (LONG, ""),
        (WIDE, ""),
    ],
)
def test_an_unknown_kind_is_refused_with_the_nearest(kind: str, says: str, send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(ListJobsRequest(kinds=["deep_dream", kind])))
    assert_refused(found, (INVALID, "UNKNOWN_KIND", "kinds[1]"), says)


def test_a_filter_of_operations_is_refused_and_so_is_another_collection(send: Callable[[Message], object]) -> None:
    found = refusal(lambda: send(ListOperationsRequest(filter="done = true")))
    assert_refused(found, (INVALID, "FILTER_UNSUPPORTED", "filter"), "ListJobs")
    for name in ("models", LONG, WIDE):
        found = refusal(lambda name=name: send(ListOperationsRequest(name=name)))  # type: ignore[misc]
        assert_refused(found, (INVALID, "NAME_INVALID", "name"), "jobs")


METHODS = [
    "/convscope.v1.SynthesisService/VisualizeClass",
    "/convscope.v1.SynthesisService/VisualizeChannel",
    "/convscope.v1.SynthesisService/DeepDream",
    "/convscope.v1.SynthesisService/InvertFeatures",
    "/convscope.v1.SynthesisService/CreateAdversarial",
    "/convscope.v1.JobService/ListJobs",
    "/google.longrunning.Operations/GetOperation",
    "/google.longrunning.Operations/ListOperations",
    "/google.longrunning.Operations/WaitOperation",
    "/google.longrunning.Operations/CancelOperation",
    "/google.longrunning.Operations/DeleteOperation",
]
STREAMS = ["/convscope.v1.JobService/WatchJob", "/convscope.v1.JobService/DownloadArtifact"]
NO_MESSAGES = {"rubbish": b"\xff\xff\xff", "cut off": b"\x0a\x7fjobs", "no UTF-8": b"\x0a\x02\xff\xfe\x12\x02\xff\xfe"}


@pytest.mark.usefixtures("nothing_queued")
@pytest.mark.parametrize("data", NO_MESSAGES.values(), ids=NO_MESSAGES)
@pytest.mark.parametrize("method", METHODS + STREAMS)
def test_bytes_that_are_no_message_are_refused(method: str, data: bytes, stubs: JobStubs) -> None:
    channel: Any = stubs.channel

    def call() -> object:
        if method in STREAMS:
            return list(channel.unary_stream(method)(data, timeout=SECONDS))
        return channel.unary_unary(method)(data, timeout=SECONDS)

    found = refusal(call)
    assert (found.code, found.reason, found.field) == (INVALID, "REQUEST_UNREADABLE", "")


@pytest.mark.parametrize("data", NO_MESSAGES.values(), ids=NO_MESSAGES)
@pytest.mark.parametrize("method", ["Health/Check", "Health/Watch", "ServerReflection/ServerReflectionInfo"])
def test_health_and_reflection_refuse_them_too(method: str, data: bytes, stubs: JobStubs) -> None:
    channel: Any = stubs.channel
    calls: dict[str, Callable[[], object]] = {
        "Health/Check": lambda: channel.unary_unary("/grpc.health.v1.Health/Check")(data, timeout=SECONDS),
        "Health/Watch": lambda: list(channel.unary_stream("/grpc.health.v1.Health/Watch")(data, timeout=SECONDS)),
        "ServerReflection/ServerReflectionInfo": lambda: list(
            channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(
                iter([data]), timeout=SECONDS
            )
        ),
    }
    found = refusal(calls[method])
    assert (found.code, found.reason, found.field) == (INVALID, "REQUEST_UNREADABLE", "")
    assert stubs.list_jobs(ListJobsRequest(), timeout=SECONDS) is not None
