"""convscope visualize-class: the picture that a model scores highest for a class."""

from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.following import finish
from convscope.client.cli.job_options import Destination, Detach, Jitter, Priority, Seed, StepSize, check_output
from convscope.client.cli.question import to_class_name


def visualize_class(
    target: Annotated[list[str], typer.Argument(help="Class label or index; several make one picture each.")],
    model: ModelName = DEFAULT_MODEL,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of gradient ascent.")] = None,
    step_size: StepSize = None,
    l2: Annotated[float | None, typer.Option("--l2", help="Weight of the picture's squared norm.")] = None,
    momentum: Annotated[float | None, typer.Option("--momentum", help="Part of a step that the next keeps.")] = None,
    jitter: Jitter = None,
    blur: Annotated[float | None, typer.Option("--blur", help="Blur of the gradient, pixels.")] = None,
    normalized: Annotated[
        bool | None, typer.Option("--normalized/--not-normalized", help="Divide the gradient by its norm.")
    ] = None,
    noise: Annotated[float | None, typer.Option("--noise", help="Standard deviation of what it starts from.")] = None,
    seed: Seed = None,
    priority: Priority = None,
    output: Destination = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Make the picture that a model scores highest for a class."""
    if output is not None:
        check_output(output)
    with connect(server, timeout) as client:
        job = client.visualize_class(
            model=model,
            target=[to_class_name(text) for text in target],
            steps=steps,
            step_size=step_size,
            l2=l2,
            momentum=momentum,
            jitter=jitter,
            blur=blur,
            normalized=normalized,
            noise=noise,
            seed=seed,
            priority=priority,
        )
        if detach:
            print(job.name)
        else:
            finish(client, job, output)
