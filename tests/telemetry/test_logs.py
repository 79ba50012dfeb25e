"""How much is logged, and in which form."""

from pathlib import Path
from urllib.error import URLError

from convscope.client import Client
from tests.processes import ServerProcess, free_port, wait_until
from tests.telemetry.cluster import lines
from tests.workers.jobs_cluster import jobs_cluster


def test_what_libraries_say_is_json_too(tmp_path: Path) -> None:
    with jobs_cluster(tmp_path) as jobs:
        (worker,) = jobs.start_workers()
        jobs.store.kill()
        wait_until(
            lambda: any("celery" in line.get("logger", "") for line in lines(worker)), "Celery to miss the store"
        )


def test_only_what_is_wanted_is_logged(tmp_path: Path) -> None:
    port = free_port()
    quiet = ServerProcess(models="", port=port, log_level="error")

    def serves() -> bool:
        try:
            return quiet.metric("convscope_serving") == 1
        except URLError:
            return False

    try:
        wait_until(serves, "the server to serve", 90)
        with Client.connect(f"127.0.0.1:{port}") as client:
            client.models()
    finally:
        assert quiet.stop() == 0
    assert not quiet.log


def test_a_level_that_is_none_is_said_at_the_start() -> None:
    server = ServerProcess(models="", log_level="loud")
    assert server.wait_until_ended() == 1
    assert "log_level" in server.log[-1]
