"""Options of everything that follows a recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.cli.question import assigned
from convscope.client.dataset_examples import DatasetExamples
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
PriorName = Annotated[
    str | None,
    typer.Option("--prior", help="A learned prior, for recipes that make pictures of codes; see `convscope prior`."),
]
Examples = Annotated[
    str | None,
    typer.Option(
        "--examples", metavar="COLLECTION", help="Show its best pictures beside; it has an index of this model."
    ),
]
ExampleCount = Annotated[
    int | None, typer.Option("--example-count", help="How many for each class or channel, 1 to 16; default: 4.")
]
ExampleStart = Annotated[bool, typer.Option("--start-from-example", help="Start from the best of the --examples.")]


def overrides(texts: Sequence[str] | None, **short: Any) -> dict[str, Any]:
    """What is to be otherwise than the recipe has it; `short`: what has an option of its own, or None. Raises
    BadParameter."""
    return assigned(SYNTHESIS_FIELDS, texts) | {name: value for name, value in short.items() if value is not None}


def examples_of(collection: str | None, count: int | None, start: bool) -> DatasetExamples | None:
    """None where no collection is named. Raises BadParameter where the rest is said without it."""
    if collection is not None:
        return DatasetExamples(collection, count, start)
    if count is not None or start:
        option = "--start-from-example" if start else "--example-count"
        raise typer.BadParameter("it goes with --examples", param_hint=option)
    return None
