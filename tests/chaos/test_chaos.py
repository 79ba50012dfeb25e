"""Two attribution servers, two jobs servers, three workers and the store under load and under faults.

In `make test` each kind of fault happens once. `make chaos` lets them happen at random: CONVSCOPE_CHAOS_SECONDS says
for how long, CONVSCOPE_CHAOS_SEED which ones. docs/reliability.md says what is promised.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from random import SystemRandom

import pytest
import redis

from convscope.services.common.jobs.events import StateChange, events_after
from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.jobs.records import JobRecords
from tests.chaos.account import OK, Account
from tests.chaos.cluster import chaos_cluster
from tests.chaos.footprint import MIB
from tests.chaos.load import Calm, Load
from tests.chaos.ordeal import CALM, RESTART, SPARED_SECONDS, TROUBLE, US, Ordeal, at_random, in_turn
from tests.chaos.report import Report

SECONDS = float(os.environ.get("CONVSCOPE_CHAOS_SECONDS", "0"))
"""Of faults at random; 0: each kind once, in turn."""
SEED = int(os.environ.get("CONVSCOPE_CHAOS_SEED", "0")) or (SystemRandom().randrange(1, 1_000_000) if SECONDS else 1)
# However long it lasts. A server keeps as many connections to the store as it ever had calls at once, a few more than
# before the faults in which they pile up; the store has those of all, and the callers, whose the proxies are, twice.
MORE_HANDLES = {"store": 40, US: 90}
MORE_HANDLES_EACH = 12
MORE_MEMORY, SHARE = 32 * MIB, 1.15

pytestmark = pytest.mark.timeout(SECONDS + 600)


@pytest.fixture(scope="module")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordeal]:
    """It is over, and the cluster still there."""
    with chaos_cluster(tmp_path_factory.mktemp("chaos")) as cluster:
        account, calm = Account(), Calm.of(cluster)
        load = Load(cluster, calm, account, SEED)
        ordeal = Ordeal(cluster, calm, load, Report(SEED, account))
        sys.stdout.write(f"\nseed {SEED}\n")
        try:
            if SECONDS:
                at_random(ordeal, SECONDS)
            else:
                in_turn(ordeal)
            yield ordeal
        finally:
            load.close()
            sys.stdout.write(f"{ordeal.report}\n")


def test_every_answer_is_the_one_of_a_calm_cluster_and_no_failure_is_without_its_fault(ordeal: Ordeal) -> None:
    assert [str(call) for call in ordeal.account.forbidden()] == []
    answered = Counter(call.kind for call in ordeal.account.calls if call.status == OK)
    assert {"attribute", "compare", "classify", "stream", "search", "hand in", "watch", "result"} <= set(answered)


def test_nothing_fails_while_nothing_happens(ordeal: Ordeal) -> None:
    assert [str(call) for call in ordeal.account.failed(CALM)] == []


def test_no_call_fails_while_everything_is_restarted_part_by_part(ordeal: Ordeal) -> None:
    assert [str(call) for call in ordeal.account.failed(RESTART)] == []
    assert all(part.starts >= 2 for part in ordeal.cluster.parts)


def test_faults_were_felt(ordeal: Ordeal) -> None:
    # Where no call failed for it, one took the time until a process went on.
    slowest = max(call.seconds for call in ordeal.explained(TROUBLE))
    assert slowest > SPARED_SECONDS / 2, "no call has met a server that was stopped or cut off"
    assert any(job.resumed for job in ordeal.account.jobs), "no job went on elsewhere"


def test_every_accepted_job_ended_once_with_the_result_of_an_undisturbed_one(ordeal: Ordeal) -> None:
    assert ordeal.account.flaws() == []
    ends = Counter(job.end for job in ordeal.account.jobs if job.accepted)
    assert ends["succeeded"] > 0
    with redis.Redis.from_url(ordeal.cluster.store.url) as store:
        records = JobRecords(store, KINDS)
        ids = [id for _, id in records.before(None, 100_000)]
        snapshots = records.snapshots(ids)
        assert all(job.state.ended for job in snapshots), "a job has not ended"
        assert records.running() == sum(map(records.queued, KINDS)) == 0
        for id in ids:
            told = [event.what for event in events_after(store, id, 0)]
            assert sum(isinstance(what, StateChange) and what.state.ended for what in told) == 1, id
        accepted = {job.name.removeprefix("jobs/") for job in ordeal.account.jobs if job.accepted}
        assert accepted <= set(ids), "an accepted job was lost"
        # Of what a call that failed has handed in there may be one job, of no call two.
        calls: list[bytes | None] = [store.hget(f"convscope:job:{id}", "request") for id in ids]
        assert max(Counter(calls).values()) == 1, "a call has made two jobs"


def test_memory_and_handles_stay_what_they_were(ordeal: Ordeal) -> None:
    before, after = ordeal.report.before, ordeal.report.after
    grown = {
        name: f"{before[name]} -> {found}"
        for name, found in after.items()
        if found.handles > before[name].handles + MORE_HANDLES.get(name, MORE_HANDLES_EACH)
        # The store keeps what it is told, and we keep an account.
        or (name not in ("store", US) and found.memory > SHARE * before[name].memory + MORE_MEMORY)
    }
    assert grown == {}
    assert [one.pids[0] for one in before.values()] == [one.pids[0] for one in after.values()]
