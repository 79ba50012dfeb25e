"""python requirements.py EXTRA...: what these extras of pyproject.toml, in the working folder, ask for; one a line.

So that the layer with the packages of others depends on pyproject.toml and constraints.txt alone.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

OURS = re.compile(r"convscope\[([\w,-]+)\]")


def requirements(project: Mapping[str, object], extras: Sequence[str]) -> list[str]:
    """Of the base install and the extras, without convscope itself. `project`: the table [project]."""
    known: Mapping[str, Sequence[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    base: Sequence[str] = project["dependencies"]  # type: ignore[assignment]

    def of(wanted: Sequence[str]) -> Iterator[str]:
        for requirement in wanted:
            inner = OURS.fullmatch(requirement)
            if inner is None:
                yield requirement
            else:
                for extra in inner[1].split(","):
                    yield from of(known[extra])

    return sorted({*base, *of([f"convscope[{extra}]" for extra in extras])})


if __name__ == "__main__":
    table = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.writelines(f"{requirement}\n" for requirement in requirements(table, sys.argv[1:]))
