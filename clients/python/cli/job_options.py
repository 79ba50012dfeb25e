"""Options of everything that becomes a job."""

from pathlib import Path
from typing import Annotated

import typer

from convscope.client.errors import InvalidArgument
from convscope.client.synthesis import check_synthesis_destination

StepSize = Annotated[float | None, typer.Option("--step-size", help="How far a step goes.")]
Jitter = Annotated[int | None, typer.Option("--jitter", help="Pixels of the random shift before each step.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of all that is random; the same gives the same picture.")]
Priority = Annotated[int | None, typer.Option("--priority", help="0 to 9; higher goes first.")]
Destination = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The picture (.png), its values (.npy), its way (.gif), its history (.json)."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Print the job's name and return; see `convscope jobs`.")]


def check_output(path: Path) -> None:
    """Before a job has taken its time for nothing. Raises InvalidArgument."""
    check_synthesis_destination(path)
    check_folder(path)


def check_folder(path: Path) -> None:
    """Raises InvalidArgument where there is none to write into."""
    if not path.parent.is_dir():
        raise InvalidArgument(f"there is no folder {path.parent} for {path.name}", field="output", reason="NO_FOLDER")
