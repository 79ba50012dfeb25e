"""Options of everything that follows a recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.cli.question import assigned
from convscope.client.synthesis_parameters import SYNTHESIS_FIELDS

RecipeName = Annotated[str | None, typer.Option("--recipe", help="A paper's way of doing it; see `convscope recipes`.")]
RecipeTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter", "-p", help="Otherwise than the recipe: name=value; see `convscope recipes --json`; stages: JSON."
    ),
]
Start = Annotated[Path | None, typer.Option("--start", help="A picture to start from.")]
Steps = Annotated[int | None, typer.Option("--steps", help="Steps of the optimizer.")]


def overrides(texts: Sequence[str] | None, **short: Any) -> dict[str, Any]:
    """What is to be otherwise than the recipe has it; `short`: what has an option of its own, or None. Raises
    BadParameter."""
    return assigned(SYNTHESIS_FIELDS, texts) | {name: value for name, value in short.items() if value is not None}
