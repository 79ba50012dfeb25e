"""`convscope` as people run it, and what it says."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from convscope.client.cli import main

CONVSCOPE = Path(sys.executable).with_name("convscope")
SECONDS = 60


class Run(Protocol):
    """Runs `convscope ARGUMENTS` in a folder of files; variables of the environment by their names."""

    def __call__(self, *arguments: str | Path | bytes, **environment: str) -> subprocess.CompletedProcess[str]: ...


def in_process(address: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """In this process, which is quick. address: of the server that it is told of."""

    def run(*arguments: str | Path | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["convscope", *arguments])
        for name, value in (settings(address) | environment).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(ended.value.code or 0), out, err)

    return run


def settings(address: str) -> dict[str, str]:
    """The environment of a command for the server at `address`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"CONVSCOPE_SERVER": address, "TERM": "xterm", "COLUMNS": "120"}


def output(result: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that succeeded."""
    assert result.returncode == 0, result.stderr
    return result.stdout


def assert_one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that failed: one line on standard error, and nothing else."""
    assert "Traceback" not in result.stderr, result.stderr[-2000:]
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("\n")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


class Terminal:
    """`convscope ARGUMENTS` whose standard error is a terminal."""

    def __init__(self, address: str, folder: Path, *arguments: str) -> None:
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [CONVSCOPE, *arguments], cwd=folder, env=settings(address), stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        self.written = ""

    def read_until(self, words: str) -> None:
        while words not in self.written and self._read():
            pass
        assert words in self.written, self.written

    def end(self) -> tuple[int, str]:
        """Its exit status and standard output."""
        while self._read():
            pass
        os.close(self._terminal)
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out.decode()

    def _read(self) -> bool:
        try:
            some = os.read(self._terminal, 4096)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.written += some.decode(errors="replace")
        return bool(some)
