"""convscope visualize-channel: the picture that a channel or a neuron answers most to."""

import re
from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.following import finish
from convscope.client.cli.job_options import Destination, Detach, Priority, Seed, check_output
from convscope.client.cli.recipe_options import (
    ExampleCount,
    Examples,
    ExampleStart,
    PriorName,
    RecipeName,
    RecipeTexts,
    Start,
    Steps,
    examples_of,
    overrides,
)
from convscope.client.targets import Unit


def visualize_channel(
    layer: Annotated[str, typer.Argument(help="Layer, or its name in GoogLeNet; see `convscope layers`.")],
    channel: Annotated[list[int], typer.Argument(help="Channel of the layer; several make one picture each.")],
    place: Annotated[
        str | None,
        typer.Option("--place", help="ROW,COLUMN in the layer's grid: that neuron. Default: the mean."),
    ] = None,
    model: ModelName = DEFAULT_MODEL,
    recipe: RecipeName = None,
    parameter: RecipeTexts = None,
    start: Start = None,
    prior: PriorName = None,
    examples: Examples = None,
    example_count: ExampleCount = None,
    start_from_example: ExampleStart = False,
    steps: Steps = None,
    seed: Seed = None,
    priority: Priority = None,
    output: Destination = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Make the picture that a channel or a neuron of a layer answers most to."""
    parameters = overrides(parameter, steps=steps, seed=seed)
    beside = examples_of(examples, example_count, start_from_example)
    where = None if place is None else _to_place(place)
    if output is not None:
        check_output(output)
    with connect(server, timeout) as client:
        job = client.visualize_channel(
            model=model,
            unit=[Unit(layer, number, where) for number in channel],
            recipe=recipe,
            image=start,
            prior=prior,
            examples=beside,
            priority=priority,
            **parameters,
        )
        if detach:
            print(job.name)
        else:
            finish(client, job, output)


def _to_place(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]+),([0-9]+)", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no ROW,COLUMN", param_hint="--place")
    return int(found[1]), int(found[2])
