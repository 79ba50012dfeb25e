"""A process of the cluster."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from convscope.services.common.parent_death import on_parent_death


class Child:
    """A child process with a log file of its own. It dies with its parent, also when that is killed (Linux)."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str | None]) -> None:
        """Start it, before this process has threads; in a session of its own, where Ctrl-C does not reach it.

        environment: besides this process's own; None: without that variable.
        """
        self.name = name
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def stop(self, timeout: float) -> None:
        """Ask it to finish; kill it when `timeout` seconds were not enough. Harmless once it has ended."""
        if self.exit_status is None:
            self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_lines(self, count: int = 5) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:])


def _end_with_parent() -> None:
    on_parent_death(signal.SIGTERM)
