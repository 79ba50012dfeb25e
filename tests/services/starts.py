"""Starts that cannot succeed."""

from tests.processes import ServerProcess, wait_until


def assert_cannot_start(process: ServerProcess, *says: str) -> None:
    """It ends with status 1 and one line that says why, without a traceback."""
    wait_until(lambda: process.process.poll() is not None or is_up(process), "a start or an end", timeout=90)
    if is_up(process):
        process.kill()
    status = process.wait_until_ended()
    log = "\n".join(process.log)
    assert status == 1, log
    (why,) = [line for line in process.log if '"cannot start"' in line]
    for words in says:
        assert words in why, log
    assert "Traceback" not in log


def is_up(process: ServerProcess) -> bool:
    return any('"event": "serving"' in line for line in process.log)
