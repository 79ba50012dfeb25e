"""convscope fool: noise that a model is sure of."""

from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.following import file_name, finish
from convscope.client.cli.job_options import Destination, Detach, Priority, Seed, check_output
from convscope.client.cli.question import to_class_name


def fool(
    target: Annotated[str, typer.Argument(help="Class label or index.")],
    confidence: Annotated[
        float, typer.Option("--confidence", help="Probability at which it ends, 0 to below 1.")
    ] = 0.99,
    model: ModelName = DEFAULT_MODEL,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps at most.")] = None,
    seed: Seed = None,
    priority: Priority = None,
    output: Destination = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Make a picture from noise that nobody knows anything in, and that a model is sure is of a class."""
    destination = output or Path(f"{file_name(target)}.fooling.png")
    check_output(destination)
    with connect(server, timeout) as client:
        job = client.create_adversarial(
            model=model,
            target=to_class_name(target),
            attack="ascent",
            steps=steps,
            confidence=confidence,
            seed=seed,
            priority=priority,
        )
        if detach:
            print(job.name)
        else:
            finish(client, job, destination)
