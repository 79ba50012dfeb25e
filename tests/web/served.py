"""`python -m convscope.web`, for tests that need one of their own."""

import os
import re
import subprocess
import sys
from typing import Self


class WebProcess:
    """The page in a process of its own, on a free port; use it in a `with` block."""

    def __init__(self, *options: str, **settings: str) -> None:
        """settings: CONVSCOPE_* variables. Raises AssertionError with what it said where it ends at once."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}
        environment |= {f"CONVSCOPE_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "convscope.web", "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        found = re.search(r"http://\S+:\d+", said)
        assert found, said
        self.page = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process.stderr is not None
        self.process.terminate()
        self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(30)
