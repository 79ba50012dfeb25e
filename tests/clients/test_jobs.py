"""Long work through the SDK: submitted, watched over lost connections, fetched, ended."""

import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.rpc import code_pb2
from PIL import Image

from convscope.client import (
    Cancelled,
    Client,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    Job,
    NotFound,
    Preview,
    Progress,
    ResourceExhausted,
    ServerFault,
    StateChange,
    Unavailable,
    channel,
    resuming,
)
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.job_service_pb2 import JobEvent
from convscope.v1.synthesis_service_pb2 import (
    DeepDreamRequest,
    JobOptions,
    SynthesisParameters,
    SynthesisStage,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference
from tests.clients.job_stand_in import HEIGHT, WIDTH, JobServer, JobStandIn, serving_jobs
from tests.processes import free_port, wait_until

MODEL = "resnet18_seeded"
CLASSES: dict[str, tuple[Any, list[ClassReference]]] = {
    "an index": (281, [ClassReference(index=281)]),
    "a label": ("tabby", [ClassReference(label="tabby")]),
    "numpy's integer": (np.int64(281), [ClassReference(index=281)]),
    "a list": ([281, "tiger cat"], [ClassReference(index=281), ClassReference(label="tiger cat")]),
    "a tuple": ((281,), [ClassReference(index=281)]),
    "an array": (np.array([281, 282]), [ClassReference(index=281), ClassReference(index=282)]),
}
# What is changed of a right call, and the field that is to blame.
WRONG_CLASSES: list[tuple[dict[str, Any], str]] = [
    ({"model": 5}, "model"),
    ({"target": None}, "targets[0]"),
    ({"target": 1.5}, "targets[0]"),
    ({"target": True}, "targets[0]"),
    ({"target": [281, b"tabby"]}, "targets[1]"),
    ({"target": 2**31}, "targets[0]"),
    ({"target": []}, "targets"),
    ({"recipe": 2017}, "recipe"),
    ({"image": "missing.jpg"}, "image"),
    ({"steps": 1.5}, "parameters.steps"),
    ({"steps": "many"}, "parameters.steps"),
    ({"steps": 2**31}, "parameters.steps"),
    ({"step_size": "far"}, "parameters.step_size"),
    ({"l2": None, "momentum": [0.9]}, "parameters.momentum"),
    ({"l2": True}, "parameters.l2"),
    ({"l2": 10**400}, "parameters.l2"),
    ({"l2": float("nan")}, "parameters.l2"),
    ({"noise": float("inf")}, "parameters.noise"),
    ({"jitter": 0.5}, "parameters.jitter"),
    ({"blur": "much"}, "parameters.blur"),
    ({"window": 1}, "parameters.window"),
    ({"noise": 1j}, "parameters.noise"),
    ({"optimizer": 5}, "parameters.optimizer"),
    ({"parameterization": "\ud800"}, "parameters.parameterization"),
    ({"seed": 2**63}, "parameters.seed"),
    ({"seed": "0"}, "parameters.seed"),
    ({"normalized": True}, "parameters.normalized"),
    ({"normalized": None}, "parameters.normalized"),
    ({"stages": 3}, "parameters.stages"),
    ({"stages": {"scale": 1.2}}, "parameters.stages[0]"),
    ({"stages": [{}, 1.2]}, "parameters.stages[1]"),
    ({"stages": [{}, {"scale": "large"}]}, "parameters.stages[1].scale"),
    ({"stages": [{"scales": 1.2}]}, "parameters.stages[0].scales"),
    ({"stages": [{"step": 1.0}]}, "parameters.stages[0].step"),
    ({"stages": [{"blur": [1, float("nan")]}]}, "parameters.stages[0].blur[1]"),
    ({"stages": [{"layer": 3}]}, "parameters.stages[0].layer"),
    ({"priority": 1.0}, "priority"),
    ({"preview_seconds": "often"}, "preview_seconds"),
    ({"preview_seconds": float("nan")}, "preview_seconds"),
    ({"request_id": 7}, "request_id"),
]
WRONG_DREAMS: list[tuple[dict[str, Any], str]] = [
    ({"image": "missing.jpg"}, "image"),
    ({"image": np.zeros((2, 2), np.uint8)}, "image"),
    ({"guide": "missing.jpg"}, "guide"),
    ({"layer": 4}, "layer"),
    ({"channels": 4}, "channels"),
    ({"channels": [1, "2"]}, "channels[1]"),
    ({"octaves": 2.5}, "octaves"),
    ({"octave_scale": "1.4"}, "octave_scale"),
    ({"step_size": float("nan")}, "step_size"),
    ({"size": None, "steps": []}, "steps"),
]


@pytest.fixture
def server() -> Iterator[JobServer]:
    """In place of the shared one, which makes no pictures."""
    with serving_jobs() as server:
        yield server


@pytest.fixture
def jobs(server: JobServer) -> JobStandIn:
    return server.jobs


@pytest.fixture
def client(server: JobServer) -> Iterator[Client]:
    with Client.connect(server.address) as client:
        yield client


def behind(work: Any, *arguments: Any, **options: Any) -> threading.Thread:
    """Do it beside the test."""
    thread = threading.Thread(target=work, args=arguments, kwargs=options, daemon=True)
    thread.start()
    return thread


def again(server: JobServer) -> None:
    """Stop it, and start it on its port."""
    server.stop()
    server.start()


def numbers(events: list[Any]) -> list[int]:
    return [event.number for event in events]


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that are made from now on give up soon, and gRPC does not try again by itself, which takes seconds."""
    monkeypatch.setattr(resuming, "PATIENCE", 0.4)
    monkeypatch.setattr(channel, "OPTIONS", (*channel.OPTIONS, ("grpc.enable_retries", 0)))


# Submitting.


def test_what_is_not_said_is_left_to_the_server(client: Client, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target="tabby")
    (request,) = jobs.requests
    options = JobOptions(request_id=request.options.request_id)
    expected = VisualizeClassRequest(model=f"models/{MODEL}", targets=[ClassReference(label="tabby")], options=options)
    assert request == expected
    assert repr(job) == f"Job({job.name!r})"
    assert list(jobs.records) == [job.name]


def test_all_that_is_said_is_sent(client: Client, jobs: JobStandIn) -> None:
    numpys: dict[str, Any] = {"steps": np.int32(7), "l2": np.float32(0.5)}
    client.visualize_class(
        model=MODEL, target=281, recipe="tyka2016", image=b"a picture", step_size=2, momentum=0, jitter=0, blur=0,
        bounded=False, noise=0.1, output="probability", brightness=None, seed=-(2**40), priority=9, preview_seconds=0,
        stages=[{}, {"share": 2, "scale": 1.5, "step": (1, 0.5), "blur": np.array([1, 0]), "layer": "fc"}],
        request_id="mine", **numpys,
    )  # fmt: skip
    stage = SynthesisStage(share=2.0, scale=1.5, step=[1.0, 0.5], blur=[1.0, 0.0], layer="fc")
    parameters = SynthesisParameters(
        steps=7, step_size=2.0, l2=0.5, momentum=0.0, jitter=0, blur=0.0, bounded=False, noise=0.1,
        output="probability", stages=[SynthesisStage(), stage], seed=-(2**40),
    )  # fmt: skip
    expected = VisualizeClassRequest(
        model=f"models/{MODEL}", targets=[ClassReference(index=281)], recipe="tyka2016", parameters=parameters,
        image=ImageMessage(encoded=b"a picture"),
        options=JobOptions(request_id="mine", priority=9, preview_seconds=0.0),
    )  # fmt: skip
    assert jobs.requests == [expected]


@pytest.mark.parametrize("case", CLASSES)
def test_a_target_is_one_class_or_several(client: Client, jobs: JobStandIn, case: str) -> None:
    target, references = CLASSES[case]
    client.visualize_class(model=MODEL, target=target)
    assert list(jobs.requests[0].targets) == references


def test_a_dream_takes_pictures_in_any_form(client: Client, jobs: JobStandIn, cat_path: Path) -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    client.deep_dream(cat_path, model=MODEL)
    client.deep_dream(
        pixels, model=MODEL, layer="layer3", channels=np.array([3, 5]), guide=b"a picture", steps=1, octaves=2,
        octave_scale=1.5, step_size=1, jitter=0, size=64, seed=1, priority=0, preview_seconds=1.5, request_id="mine",
    )  # fmt: skip
    plain, full = jobs.requests
    assert plain.image.encoded == cat_path.read_bytes()
    plain.ClearField("image")
    plain.options.ClearField("request_id")
    assert plain == DeepDreamRequest(model=f"models/{MODEL}", options=JobOptions())
    assert tuple(full.image.pixels.shape) == (2, 3, 3)
    full.ClearField("image")
    expected = DeepDreamRequest(
        model=f"models/{MODEL}", layer="layer3", channels=[3, 5], steps=1, octaves=2, octave_scale=1.5, step_size=1.0,
        jitter=0, size=64, seed=1, options=JobOptions(request_id="mine", priority=0, preview_seconds=1.5),
    )  # fmt: skip
    expected.guide.encoded = b"a picture"
    assert full == expected


def test_each_call_has_a_name_of_its_own_unless_it_is_given_one(client: Client, jobs: JobStandIn) -> None:
    given = [None, None, "", "mine", "mine"]
    made = [client.visualize_class(model=MODEL, target=281, request_id=one) for one in given]
    ids = [request.options.request_id for request in jobs.requests]
    assert all(len(one) == 32 for one in ids[:3])
    assert ids[3:] == ["mine", "mine"]
    assert [job.name for job in made] == [f"jobs/000{number}" for number in (1, 2, 3, 4, 4)]


def test_a_call_whose_answer_is_lost_makes_one_job(client: Client, jobs: JobStandIn) -> None:
    jobs.lost_answers = 2
    job = client.visualize_class(model=MODEL, target=281)
    assert len(jobs.requests) == 3
    assert list(jobs.records) == [job.name]


@pytest.mark.parametrize(("changes", "field"), WRONG_CLASSES, ids=str)
def test_a_wrong_argument_of_visualize_class_is_told_before_any_call(changes: dict[str, Any], field: str) -> None:
    with Client.connect(f"127.0.0.1:{free_port()}") as client, pytest.raises(InvalidArgument) as caught:
        client.visualize_class(**{"model": MODEL, "target": 281, **changes})
    assert (caught.value.field, caught.value.status) == (field, "")
    assert (caught.value.reason == "INVALID_PARAMETER") == field.startswith("parameters.")


@pytest.mark.parametrize(("changes", "field"), WRONG_DREAMS, ids=str)
def test_a_wrong_argument_of_deep_dream_is_told_before_any_call(changes: dict[str, Any], field: str) -> None:
    with Client.connect(f"127.0.0.1:{free_port()}") as client, pytest.raises(InvalidArgument) as caught:
        client.deep_dream(**{"image": b"a picture", "model": MODEL, **changes})
    assert (caught.value.field, caught.value.status) == (field, "")


def test_what_the_server_refuses_is_typed(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="nearest: tabby") as caught:
        client.visualize_class(model=MODEL, target=[281, "taby"])
    assert (caught.value.field, caught.value.reason) == ("targets[1]", "UNKNOWN_CLASS")


# How it stands.


def test_info_tells_how_a_job_stands(client: Client, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target=[281, 282], priority=7)
    queued = job.info()
    assert (queued.name, queued.kind, queued.model) == (job.name, "visualize_class", MODEL)
    assert (queued.state, queued.priority, queued.attempts, queued.over) == ("queued", 7, 0, False)
    assert (queued.step, queued.total, queued.loss, queued.scores) == (0, 0, None, ())
    assert queued.created is not None
    assert abs(queued.created - datetime.now(UTC)) < timedelta(minutes=1)
    assert (queued.started, queued.ended, queued.expires, queued.artifacts) == (None, None, None, ())
    jobs.begin(job.name)
    jobs.step(job.name, 4)
    running = job.info()
    assert (running.state, running.attempts, running.step, running.total) == ("running", 1, 4, 10)
    assert (running.loss, running.scores, running.last_event) == (0.25, (4.5, 4.5), 3)
    job.cancel()
    assert job.info().cancel_requested
    jobs.fail(job.name)
    failed = job.info()
    assert (failed.state, failed.error, failed.reason) == ("failed", "no memory is left", "OUT_OF_MEMORY")
    assert failed.over
    assert failed.ended is not None
    assert failed.expires is not None
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_the_state_is_asked_for_each_time(client: Client, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target=281)
    seen = [job.state]
    for step in (jobs.begin, jobs.succeed):
        step(job.name)
        seen.append(job.state)
    assert seen == ["queued", "running", "succeeded"]


def test_a_job_is_found_by_its_name_whole_or_short(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    assert client.job(name).name == client.job(name.removeprefix("jobs/")).name == name
    with pytest.raises(NotFound) as unknown:
        client.job("nobody")
    assert unknown.value.reason == "UNKNOWN_JOB"
    with pytest.raises(InvalidArgument) as wrong:
        client.job(5)  # type: ignore[arg-type]
    assert (wrong.value.field, wrong.value.status) == ("name", "")


def test_jobs_are_listed_newest_first_over_all_pages(client: Client, jobs: JobStandIn) -> None:
    names = [jobs.add() for _ in range(7)]
    assert [info.name for info in client.jobs(page_size=3)] == names[::-1]
    assert [page.page_token for page in jobs.pages] == ["", "3", "6"]
    assert [page.page_size for page in jobs.pages] == [3, 3, 3]


def test_a_page_is_asked_for_when_it_is_needed(client: Client, jobs: JobStandIn) -> None:
    for _ in range(7):
        jobs.add()
    found = client.jobs(page_size=3)
    assert jobs.pages == []
    for _ in range(3):
        next(found)
    assert len(jobs.pages) == 1
    assert next(found).name == "jobs/0004"
    assert len(jobs.pages) == 2


def test_jobs_are_chosen_by_state_and_kind(client: Client, jobs: JobStandIn) -> None:
    waiting, done, dream = jobs.add(), jobs.add(), jobs.add("deep_dream")
    jobs.run(done, steps=1)

    def names(**how: Any) -> list[str]:
        return [info.name for info in client.jobs(page_size=1, **how)]

    assert names(states="queued") == [dream, waiting]
    assert names(states=["queued", "succeeded"]) == [dream, done, waiting]
    assert names(kinds="deep_dream", states=("queued",)) == [dream]
    assert names(states=["failed"]) == []


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"states": "done"}, "states"),
        ({"states": [5]}, "states"),
        ({"states": 5}, "states"),
        ({"kinds": ["dream"]}, "kinds"),
        ({"page_size": "3"}, "page_size"),
    ],
    ids=str,
)
def test_a_wrong_choice_of_jobs_is_told_before_any_call(how: dict[str, Any], field: str) -> None:
    with Client.connect(f"127.0.0.1:{free_port()}") as client, pytest.raises(InvalidArgument) as caught:
        client.jobs(**how)
    assert caught.value.field == field


# Watching.


def test_a_watch_tells_all_that_happens(client: Client, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target=281)
    jobs.run(job.name, steps=2)
    queued, running, first, preview, second, done = job.watch()
    assert isinstance(queued, StateChange)
    assert (queued.number, queued.state, queued.attempt, queued.message) == (1, "queued", 0, "")
    assert abs(queued.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert isinstance(running, StateChange)
    assert (running.state, running.attempt) == ("running", 1)
    assert isinstance(first, Progress)
    assert (first.number, first.step, first.total, first.loss, first.scores) == (3, 1, 2, 1.0, (1.5,))
    assert isinstance(preview, Preview)
    assert (preview.step, preview.picture.size, preview.picture.mode) == (1, (16, 8), "RGB")
    assert isinstance(second, Progress)
    assert isinstance(done, StateChange)
    assert (done.number, done.state) == (6, "succeeded")


def test_events_come_as_they_happen(client: Client, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target=281)
    events = job.watch()
    assert next(events).number == 1
    for step in range(1, 4):
        jobs.step(job.name, step)
        event = next(events)
        assert isinstance(event, Progress)
        assert event.step == step
    assert jobs.watches == [0]


@pytest.mark.parametrize("end", ["succeed", "fail", "end_cancelled"])
def test_a_watch_ends_with_the_job(client: Client, jobs: JobStandIn, end: str) -> None:
    name = jobs.add()
    jobs.run(name, steps=1, then=end)
    *_, last = client.job(name).watch()
    assert isinstance(last, StateChange)
    assert last.state == {"succeed": "succeeded", "fail": "failed", "end_cancelled": "cancelled"}[end]


def test_a_new_attempt_is_no_end(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.begin(name)
    jobs.begin(name, attempt=2, message="the worker is gone")
    jobs.succeed(name)
    changes = [event for event in client.job(name).watch() if isinstance(event, StateChange)]
    assert [(one.state, one.attempt, one.message) for one in changes[1:3]] == [
        ("running", 1, ""),
        ("running", 2, "the worker is gone"),
    ]


def test_a_watch_goes_on_behind_a_number(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.run(name, steps=4)
    job = client.job(name)
    assert numbers(list(job.watch(after=5))) == [6, 7, 8]
    assert list(job.watch(after=job.info().last_event)) == []


def test_events_that_are_kept_no_more_leave_a_gap(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.run(name, steps=4)
    del jobs.records[name].events[:3]
    assert numbers(list(client.job(name).watch())) == [4, 5, 6, 7, 8]


def test_an_event_of_a_kind_that_is_not_known_yet_is_left_out(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs._tell(name, JobEvent())
    jobs.succeed(name)
    assert numbers(list(client.job(name).watch())) == [1, 3]


def test_a_watch_outlives_its_servers(client: Client, server: JobServer, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target=281)
    work = behind(jobs.run, job.name, steps=100, pause=0.01)
    events = []
    for event in job.watch():
        events.append(event)
        if event.number in (20, 60, 61):
            again(server)
    work.join(10)
    assert numbers(events) == list(range(1, jobs.records[job.name].job.last_event + 1))
    assert len(jobs.watches) >= 3
    assert jobs.watches == sorted(jobs.watches)


@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.parametrize("cut", [1, 4])
def test_a_watch_is_taken_up_wherever_it_is_cut(client: Client, jobs: JobStandIn, cut: int, quietly: bool) -> None:
    name = jobs.add()
    jobs.run(name, steps=6)
    jobs.cut, jobs.cut_quietly = cut, quietly
    assert numbers(list(client.job(name).watch())) == list(range(1, 11))
    assert jobs.watches == list(range(0, 10, cut))


def test_the_deadline_of_a_stream_does_not_end_the_watch(
    client: Client, jobs: JobStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "STREAM_SECONDS", 0.2)
    monkeypatch.setattr(resuming, "PATIENCE", 0.3)
    name = jobs.add()
    behind(jobs.run, name, steps=4, pause=0.25)
    assert numbers(list(client.job(name).watch())) == list(range(1, 9))
    assert len(jobs.watches) >= 4


def test_a_watch_has_a_timeout_of_its_own(client: Client, jobs: JobStandIn) -> None:
    job = client.job(jobs.add())
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=f"{job.name} has not ended after 0.3 s; it goes on"):
        list(job.watch(timeout=0.3))
    assert 0.3 <= time.monotonic() - began < 3
    assert job.state == "queued"


@pytest.mark.parametrize("how", [{"after": "5"}, {"timeout": "long"}, {"timeout": -1}, {"timeout": float("nan")}])
def test_a_wrong_watch_is_told_at_once(client: Client, jobs: JobStandIn, how: dict[str, Any]) -> None:
    job = client.job(jobs.add())
    with pytest.raises(InvalidArgument) as caught:
        job.watch(**how)
    assert caught.value.field in how


def test_without_any_server_a_watch_and_a_result_are_given_up(
    server: JobServer, jobs: JobStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with Client.connect(server.address) as client:
        job = client.job(jobs.add())
        events = job.watch()
        next(events)
        server.stop()
        for ask in (lambda: next(events), job.result):
            began = time.monotonic()
            with pytest.raises(Unavailable, match=server.address):
                ask()
            assert 0.4 <= time.monotonic() - began < 5


def test_a_job_that_is_deleted_ends_its_watch(client: Client, jobs: JobStandIn) -> None:
    job = client.job(jobs.add())
    events = job.watch()
    next(events)
    job.delete()
    with pytest.raises(NotFound):
        next(events)
    with pytest.raises(NotFound):
        list(job.watch())


def test_breaking_off_ends_the_stream(client: Client, jobs: JobStandIn) -> None:
    for event in client.job(jobs.add()).watch():
        assert event.number == 1
        break
    wait_until(lambda: jobs.watching == 0, "the server knows that nobody watches")


def test_closing_the_client_ends_a_watch_and_a_wait(server: JobServer, jobs: JobStandIn) -> None:
    client = Client.connect(server.address)
    job = client.job(jobs.add())
    with ThreadPoolExecutor(2) as pool:
        ends: list[Any] = [pool.submit(list, job.watch()), pool.submit(job.result)]
        wait_until(lambda: bool(jobs.watching and jobs.waits), "both wait")
        client.close()
        for end in ends:
            with pytest.raises(Cancelled, match="the client was closed"):
                end.result(10)


def test_a_preview_that_is_no_picture_is_a_fault_of_the_server(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    event = JobEvent()
    event.preview.jpeg = b"no picture"
    jobs._tell(name, event)
    with pytest.raises(ServerFault, match="the preview cannot be decoded"):
        list(client.job(name).watch())


# What it made.


def test_the_result_waits_for_the_end_and_has_everything(client: Client, jobs: JobStandIn) -> None:
    job = client.visualize_class(model=MODEL, target=[281, "tiger cat"])
    behind(jobs.run, job.name, pause=0.01)
    made = job.result(timeout=20)
    assert (made.targets, made.labels, made.scores) == ((281, "tiger cat"), ("tabby", "tiger cat"), (20.0, 19.0))
    assert (made.recipe, made.layer, made.job.state) == ("olah2017", "", "succeeded")
    assert str(made) == "tabby 20.00 (probability 0.98), tiger cat 19.00 (probability 0.98)"
    assert (made.values.dtype.name, made.values.shape) == ("float32", (2, HEIGHT, WIDTH, 3))
    for picture, values in zip(made.images, made.values, strict=True):
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), (values * 255).round())
    assert made.history == {"loss": [1.0, 0.5]}
    assert made.way.startswith(b"GIF8")
    assert len(repr(made)) < 3000
    again = pickle.loads(pickle.dumps(made))
    assert again.images == made.images
    assert len(jobs.waits) == 1


def test_a_dream_says_what_it_was_dreamt_with(client: Client, jobs: JobStandIn) -> None:
    jobs.work = jobs.run
    made = client.deep_dream(b"a picture", model=MODEL, layer="layer3").result(20)
    assert (made.targets, made.labels, made.layer, str(made)) == ((), ("",), "layer3", "a dream with layer3")
    assert (len(made.images), made.values.shape) == (1, (1, HEIGHT, WIDTH, 3))


def test_a_result_is_saved_in_four_ways(client: Client, jobs: JobStandIn, tmp_path: Path) -> None:
    name = jobs.add()
    jobs.succeed(name)
    made = client.job(name).result()
    files = {"a.png": "image-0.png", "a.npy": "values.npy", "a.gif": "way.gif", "a.json": "history.json"}
    for path, file in files.items():
        made.save(tmp_path / path)
        assert (tmp_path / path).read_bytes() == jobs.records[name].files[file]
    assert made._repr_png_() == jobs.records[name].files["image-0.png"]
    with pytest.raises(InvalidArgument, match=r"a\.doc must end in one of \.png, \.npy, \.gif, \.json"):
        made.save(tmp_path / "a.doc")


def test_several_pictures_are_saved_on_one_sheet(client: Client, jobs: JobStandIn, tmp_path: Path) -> None:
    name = jobs.add(targets=(281, 282, 920))
    jobs.succeed(name)
    made = client.job(name).result()
    made.save(str(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.tobytes() == made.contact_sheet().tobytes()
        pixels = np.asarray(sheet)
    for picture in made.images:
        wanted = np.asarray(picture)
        places = np.argwhere((pixels == wanted[0, 0]).all(axis=2))
        assert any(np.array_equal(pixels[y : y + HEIGHT, x : x + WIDTH], wanted) for y, x in places)
    shown = made._repr_png_()
    assert shown is not None
    with Image.open(BytesIO(shown)) as sheet:
        assert sheet.size == made.contact_sheet().size


def test_only_the_parts_that_are_asked_for_are_fetched(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.succeed(name)
    made = client.job(name).result(parts=["history"])
    assert made.history == {"loss": [1.0, 0.5]}
    assert len(jobs.offsets) == 1
    for ask in (lambda: made.images, lambda: made.values, lambda: made.way):
        with pytest.raises(FailedPrecondition, match="was not fetched"):
            ask()
    assert made._repr_png_() is None
    assert len(client.job(name).result(parts="images").images) == 1
    with pytest.raises(InvalidArgument) as caught:
        client.job(name).result(parts=["pictures"])
    assert caught.value.field == "parts"


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_result_that_does_not_come_in_time_may_be_asked_for_again(
    client: Client, jobs: JobStandIn, seconds: float
) -> None:
    job = client.job(jobs.add())
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=f"{job.name} has not ended after"):
        job.result(timeout=seconds)
    assert seconds <= time.monotonic() - began < seconds + 2
    jobs.succeed(job.name)
    assert job.result(timeout=0).labels == ("tabby",)


def test_a_failed_job_raises_its_own_error(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.fail(name)
    with pytest.raises(ResourceExhausted, match="no memory is left") as caught:
        client.job(name).result()
    assert (caught.value.reason, caught.value.status) == ("OUT_OF_MEMORY", "RESOURCE_EXHAUSTED")
    lost = jobs.add()
    jobs.fail(lost, code_pb2.UNAVAILABLE, "the worker is gone")
    with pytest.raises(Unavailable, match="the worker is gone"):
        client.job(lost).result()


def test_a_cancelled_job_says_so(client: Client, jobs: JobStandIn) -> None:
    waiting = client.job(jobs.add())
    waiting.cancel()
    waiting.cancel()
    with pytest.raises(Cancelled, match=f"{waiting.name} was cancelled"):
        waiting.result()
    running = client.visualize_class(model=MODEL, target=281)
    behind(jobs.run, running.name, steps=1000, pause=0.02)
    wait_until(lambda: running.state == "running", "it runs")
    running.cancel()
    with pytest.raises(Cancelled):
        running.result(timeout=10)
    assert running.state == "cancelled"


def test_a_result_outlives_its_servers(client: Client, server: JobServer, jobs: JobStandIn) -> None:
    job = client.job(jobs.add())
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(job.result, 30)
        for number in range(1, 3):
            wait_until(lambda number=number: len(jobs.waits) >= number, "it waits")  # type: ignore[misc]
            again(server)
        jobs.succeed(job.name)
        assert made.result(20).labels == ("tabby",)
    assert all(seconds <= 30 for seconds in jobs.waits)


def test_a_server_that_does_not_wait_is_not_asked_without_a_pause(client: Client, jobs: JobStandIn) -> None:
    jobs.hasty = True
    with pytest.raises(DeadlineExceeded):
        client.job(jobs.add()).result(timeout=1.2)
    assert 2 <= len(jobs.waits) <= 4


def test_files_that_cannot_be_read_are_faults_of_the_server(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    damaged = {"image-0_png": b"no picture", "values_npy": b"no values", "history_json": b"[1]", "way_gif": b""}
    jobs.succeed(name, **damaged)
    made = client.job(name).result()
    for ask in (lambda: made.images, lambda: made.values, lambda: made.history):
        with pytest.raises(ServerFault):
            ask()
    assert made.way == b""


def test_values_never_run_code(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    file = BytesIO()
    np.save(file, np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    jobs.succeed(name, values_npy=file.getvalue())
    with pytest.raises(ServerFault, match="allow_pickle"):
        _ = client.job(name).result().values


# Its files.

BIG = np.random.default_rng(0).bytes(50_500)


@pytest.fixture
def done(client: Client, jobs: JobStandIn) -> Job:
    """A job with a large file."""
    name = jobs.add()
    jobs.succeed(name, big_bin=BIG)
    return client.job(name)


def test_a_file_is_downloaded_by_its_name_short_or_whole(done: Job, jobs: JobStandIn) -> None:
    assert done.download("big.bin") == done.download(f"{done.name}/artifacts/big.bin") == BIG
    assert jobs.offsets == [0, 0]


@pytest.mark.parametrize("quietly", [False, True])
def test_a_download_is_taken_up_at_its_offset(done: Job, jobs: JobStandIn, quietly: bool) -> None:
    jobs.cut, jobs.cut_quietly = 20, quietly
    assert done.download("big.bin") == BIG
    assert jobs.offsets == [0, 20_000, 40_000]


def test_a_download_outlives_its_server(
    done: Job, server: JobServer, jobs: JobStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, sent = jobs._cutting, 0

    def stopping(responses: Iterator[Any], context: Any) -> Iterator[Any]:
        nonlocal sent
        for response in plain(responses, context):
            yield response
            sent += 1
            if sent == 30:
                behind(again, server)
                time.sleep(0.3)

    monkeypatch.setattr(jobs, "_cutting", stopping)
    assert done.download("big.bin") == BIG
    assert len(jobs.offsets) == 2
    assert 0 < jobs.offsets[1] <= 30_000


def test_a_file_that_arrives_damaged_is_not_given(done: Job, jobs: JobStandIn, tmp_path: Path) -> None:
    files = jobs.records[done.name].files
    for damaged in (BIG[:-1] + bytes([BIG[-1] ^ 1]), BIG[:-1], BIG + b"x", b""):
        files["big.bin"] = damaged
        with pytest.raises(ServerFault, match=r"big\.bin"):
            done.download("big.bin")
        with pytest.raises(ServerFault, match=r"big\.bin"):
            done.download_to("big.bin", tmp_path / "big.bin")
    assert list(tmp_path.iterdir()) == []
    files["image-0.png"] = files["image-0.png"][::-1]
    with pytest.raises(ServerFault, match="SHA-256"):
        done.result()


def test_download_to_writes_the_whole_file(done: Job, tmp_path: Path) -> None:
    path = tmp_path / "values.npy"
    path.write_bytes(b"what was there before")
    assert done.download_to("values.npy", str(path)) == path
    assert np.load(path).shape == (1, HEIGHT, WIDTH, 3)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        done.download_to("values.npy", tmp_path / "missing" / "values.npy")


def test_an_empty_file_needs_no_call(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.succeed(name, empty_txt=b"")
    assert client.job(name).download("empty.txt") == b""
    assert jobs.offsets == []


def test_a_file_that_is_not_there_is_told(client: Client, done: Job, jobs: JobStandIn) -> None:
    with pytest.raises(NotFound, match=r"unknown artifact 'values'.*values\.npy") as caught:
        done.download("values")
    assert caught.value.reason == "UNKNOWN_ARTIFACT"
    with pytest.raises(InvalidArgument, match="no artifact of"):
        done.download("jobs/9999/artifacts/values.npy")
    with pytest.raises(InvalidArgument):
        done.download(5)  # type: ignore[arg-type]
    with pytest.raises(FailedPrecondition, match="once it has succeeded"):
        client.job(jobs.add()).download("values.npy")
