"""convscope visualize-class: the picture that a model scores highest for a class."""

from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.following import finish
from convscope.client.cli.job_options import Destination, Detach, Priority, Seed, check_output
from convscope.client.cli.question import to_class_name
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


def visualize_class(
    target: Annotated[list[str], typer.Argument(help="Class label or index; several make one picture each.")],
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
    """Make the picture that a model scores highest for a class."""
    parameters = overrides(parameter, steps=steps, seed=seed)
    beside = examples_of(examples, example_count, start_from_example)
    if output is not None:
        check_output(output)
    with connect(server, timeout) as client:
        job = client.visualize_class(
            model=model,
            target=[to_class_name(text) for text in target],
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
