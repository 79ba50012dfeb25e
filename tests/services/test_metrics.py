"""/metrics counts what callers did, and moves as they do it."""

from collections.abc import Callable
from urllib.request import urlopen

import pytest

from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeStreamRequest, ClassifyRequest
from convscope.v1.model_service_pb2 import GetModelRequest, ListModelsRequest
from tests.processes import wait_until
from tests.services.calls import SECONDS, refusal
from tests.services.held import TeamServer, cursed, question

KINDS = {
    "convscope_calls": "counter",
    "convscope_call_seconds": "histogram",
    "convscope_calls_running": "gauge",
    "convscope_answers": "counter",
    "convscope_answer_seconds": "histogram",
    "convscope_batch_size": "histogram",
    "convscope_queued": "gauge",
    "convscope_dropped": "counter",
    "convscope_refused": "counter",
    "convscope_cache_answers": "counter",
}
SALIENCY = {"method": "saliency", "model": "guarded"}


class Moved:
    """How much metrics have moved since this was made."""

    def __init__(self, team: TeamServer) -> None:
        self._team = team
        self._before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def watch(self, name: str, **labels: str) -> "Moved":
        self._before[name, frozenset(labels.items())] = self._team.process.metric(name, **labels)
        return self

    def by(self, name: str, **labels: str) -> float:
        return self._team.process.metric(name, **labels) - self._before[name, frozenset(labels.items())]


@pytest.mark.parametrize("name", KINDS)
def test_every_metric_is_there_with_its_kind_and_what_it_means(name: str, team: TeamServer) -> None:
    with urlopen(team.process.metrics_url, timeout=10) as page:
        lines = page.read().decode().splitlines()
    # The text format writes a counter under the name of its samples.
    written = name + "_total" if KINDS[name] == "counter" else name
    assert f"# TYPE {written} {KINDS[name]}" in lines
    (meaning,) = [line for line in lines if line.startswith(f"# HELP {written} ")]
    assert len(meaning.split()) > 4


def test_calls_are_counted_by_rpc_and_by_what_came_of_them(team: TeamServer) -> None:
    asked = question(1)
    outcomes: dict[tuple[str, str], Callable[[], object]] = {
        ("Attribute", "OK"): lambda: team.ask(1),
        ("Attribute", "INVALID_ARGUMENT"): lambda: refusal(
            lambda: team.stubs.attribute(AttributeRequest(), timeout=SECONDS)
        ),
        ("Attribute", "INTERNAL"): lambda: refusal(lambda: team.stubs.attribute(cursed(2), timeout=SECONDS)),
        ("Attribute", "FAILED_PRECONDITION"): lambda: refusal(lambda: team.ask(1, "spare")),
        ("Classify", "OK"): lambda: team.stubs.classify(
            ClassifyRequest(model=asked.model, image=asked.image), timeout=SECONDS
        ),
        ("AttributeStream", "OK"): lambda: list(
            team.stubs.attribute_stream(iter([AttributeStreamRequest(request=asked)]), timeout=SECONDS)
        ),
        ("ListModels", "OK"): lambda: team.stubs.list_models(ListModelsRequest(), timeout=SECONDS),
        ("GetModel", "OK"): lambda: team.stubs.get_model(GetModelRequest(name="models/guarded"), timeout=SECONDS),
        ("GetModel", "NOT_FOUND"): lambda: refusal(
            lambda: team.stubs.get_model(GetModelRequest(name="models/nothing"), timeout=SECONDS)
        ),
    }
    moved = Moved(team)
    for rpc, code in outcomes:
        moved.watch("convscope_calls_total", rpc=rpc, code=code).watch("convscope_call_seconds_count", rpc=rpc)
    for call in outcomes.values():
        call()
    # A caller may have its answer a moment before it is counted.
    wait_until(
        lambda: all(moved.by("convscope_calls_total", rpc=rpc, code=code) == 1 for rpc, code in outcomes),
        "each call to be counted once",
    )
    for rpc in {rpc for rpc, _ in outcomes}:
        assert moved.by("convscope_call_seconds_count", rpc=rpc) == sum(rpc == other for other, _ in outcomes)


def test_a_call_takes_as_long_as_its_metric_says(team: TeamServer) -> None:
    moved = Moved(team).watch("convscope_call_seconds_sum", rpc="Attribute")
    moved.watch("convscope_answer_seconds_sum", **SALIENCY)
    moved.watch("convscope_answer_seconds_count", **SALIENCY).watch("convscope_answers_total", **SALIENCY)
    with team.held() as held:
        late = refusal(lambda: team.stubs.attribute(question(1), timeout=0.5))
        assert late.code == "DEADLINE_EXCEEDED"
        held.release()
        assert held.call.result(SECONDS).attribution.data
    wait_until(lambda: moved.by("convscope_answers_total", **SALIENCY) == 1, "the one answer")
    wait_until(lambda: moved.by("convscope_call_seconds_sum", rpc="Attribute") >= 0.9, "two calls of half a second")
    assert moved.by("convscope_answer_seconds_sum", **SALIENCY) >= 0.45
    assert moved.by("convscope_answer_seconds_count", **SALIENCY) == 1


def test_what_waits_and_what_runs_is_counted(team: TeamServer) -> None:
    def running() -> float:
        return team.process.metric("convscope_calls_running")

    wait_until(lambda: running() == 0, "earlier calls to be counted")
    assert team.queued() == 0
    with team.held() as held:
        calls = [team.send(question(number)) for number in range(3)]
        others = [team.send(question(number, "light")) for number in range(2)]
        team.wait_until_queued(3)
        team.wait_until_queued(2, "light")
        assert running() == 6
        held.release()
        for call in (*calls, *others):
            assert call.result(SECONDS).attribution.data
    wait_until(lambda: running() == 0, "every call to end")
    assert team.queued() == team.queued("light") == 0


def test_batches_are_counted_by_method_and_model(team: TeamServer) -> None:
    light = {"method": "saliency", "model": "light"}
    classify = {"method": "classify", "model": "guarded"}
    moved = Moved(team)
    for labels in (SALIENCY, light, classify):
        moved.watch("convscope_batch_size_count", **labels).watch("convscope_batch_size_sum", **labels)
    moved.watch("convscope_batch_size_bucket", le="1.0", **SALIENCY).watch(
        "convscope_batch_size_bucket", le="4.0", **SALIENCY
    )
    asked = ClassifyRequest(model=question(1).model, image=question(1).image)
    with team.held() as held:
        calls = [team.send(question(number)) for number in range(4)]
        calls += [team.send(question(number, "light")) for number in range(2)]
        team.wait_until_queued(4)
        team.wait_until_queued(2, "light")
        held.release()
        for call in calls:
            assert call.result(SECONDS).attribution.data
    assert team.stubs.classify(asked, timeout=SECONDS).predictions
    # The held pass, then four together.
    assert moved.by("convscope_batch_size_count", **SALIENCY) == 2
    assert moved.by("convscope_batch_size_sum", **SALIENCY) == 5
    assert moved.by("convscope_batch_size_bucket", le="1.0", **SALIENCY) == 1
    assert moved.by("convscope_batch_size_bucket", le="4.0", **SALIENCY) == 2
    assert moved.by("convscope_batch_size_count", **light) == 1
    assert moved.by("convscope_batch_size_sum", **light) == 2
    assert moved.by("convscope_batch_size_count", **classify) == 1
