"""What happened to jobs is counted in the store, by the script that does it, and told by every jobs server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.services.common.jobs.job import Failure
from convscope.services.common.jobs.kinds import VISUALIZE_CLASS
from tests.processes import JobsProcess, wait_until
from tests.workers.jobs_cluster import JobsCluster, jobs_cluster

KIND = {"kind": VISUALIZE_CLASS}
FAILURE = Failure("INTERNAL", "INTERNAL", "it broke")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[JobsCluster]:
    with jobs_cluster(tmp_path) as cluster:
        yield cluster


def tells(server: JobsProcess, **wanted: float) -> None:
    """Wait until the server's page says so; names without the prefix, states of the end by themselves."""

    def found() -> dict[str, float]:
        counts = {
            name: server.metric(f"convscope_jobs_{name}_total", **KIND)
            for name in ("accepted", "attempts", "recovered")
        }
        ends = ("succeeded", "failed", "cancelled")
        return counts | {end: server.metric("convscope_jobs_ended_total", **KIND, state=end) for end in ends}

    wait_until(lambda: found() == {**dict.fromkeys(found(), 0.0), **wanted}, f"{wanted}: {found()}", 10)


def claimed(own: JobsCluster, seconds: float = 60):  # type: ignore[no-untyped-def]
    lease = own.records.claim(VISUALIZE_CLASS, "a test", seconds)
    assert lease is not None
    return lease


def test_each_thing_is_counted_once(own: JobsCluster) -> None:
    server = own.server
    assert isinstance(server, JobsProcess)
    own.visualize(request_id="one")
    own.visualize(request_id="one")
    tells(server, accepted=1)
    own.records.succeed(claimed(own), {}, [])
    tells(server, accepted=1, attempts=1, succeeded=1)
    id = own.visualize()
    own.client.job(f"jobs/{id}").cancel()
    tells(server, accepted=2, attempts=1, succeeded=1, cancelled=1)
    own.visualize()
    own.records.fail(claimed(own), FAILURE, again=True)
    tells(server, accepted=3, attempts=2, succeeded=1, cancelled=1)
    own.records.fail(claimed(own), FAILURE, again=False)
    tells(server, accepted=3, attempts=3, succeeded=1, cancelled=1, failed=1)


def test_a_worker_that_goes_away_is_counted(own: JobsCluster) -> None:
    own.visualize()
    claimed(own, 0.1)
    tells(own.server, accepted=1, attempts=1, recovered=1)


def test_every_server_tells_the_same_and_a_new_one_goes_on(own: JobsCluster) -> None:
    own.visualize()
    own.records.succeed(claimed(own), {}, [])
    other = JobsProcess(**own.settings())
    try:
        other.wait_until_serving()
        for server in (own.server, other):
            tells(server, accepted=1, attempts=1, succeeded=1)
    finally:
        other.stop()
    own.server.stop()
    tells(own.start_server(), accepted=1, attempts=1, succeeded=1)
