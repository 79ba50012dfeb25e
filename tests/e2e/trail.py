"""Finding every process that a test has started, whoever its parent is by now (Linux)."""

import os
import uuid
from pathlib import Path

PROC = Path("/proc")
NAME = "CONVSCOPE_TESTS_TRAIL"


class Trail:
    """What processes are known by: a variable of their environment, which they inherit, or a file that they hold in a
    folder. The store needs the second: it writes its title over its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._value = uuid.uuid4().hex

    @property
    def environment(self) -> dict[str, str]:
        """This process's own, without the settings that a developer may have."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}
        return {**inherited, NAME: self._value}

    def processes(self) -> dict[int, str]:
        """Command lines of the processes that live, by process id. A zombie lives no more."""
        entry = f"{NAME}={self._value}".encode()
        found = {}
        for process in PROC.iterdir():
            if process.name.isdecimal() and (entry in variables(process) or self._holds_a_file(process)):
                found[int(process.name)] = command_line(process)
        return found

    def find(self, words: str) -> int:
        """The id of the one process whose command line holds these words."""
        (found,) = [pid for pid, command in self.processes().items() if words in command]
        return found

    def _holds_a_file(self, process: Path) -> bool:
        return any(path.startswith(f"{self.folder}/") for path in held_files(process))


def variables(process: Path) -> list[bytes]:
    """NAME=value; none where the process has ended or is somebody else's."""
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def command_line(process: Path) -> str:
    """The words of the command; empty where the process has ended."""
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def held_files(process: Path) -> list[str]:
    """Paths of the files that a process has open; none where it has ended or is somebody else's."""
    found = []
    try:
        for link in (process / "fd").iterdir():
            found.append(str(link.readlink()))
    except OSError:
        pass
    return found
