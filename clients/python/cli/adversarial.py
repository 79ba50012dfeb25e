"""convscope adversarial: change a picture so that a model answers otherwise."""

from typing import Annotated

import typer

from convscope.client.cli.attack_options import to_length
from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.drawing import Photo
from convscope.client.cli.following import finish
from convscope.client.cli.job_options import Destination, Detach, Priority, Seed, check_output
from convscope.client.cli.question import to_class_name


def adversarial(
    photo: Photo,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Label or index of the class to answer. Default: any other.")
    ] = None,
    attack: Annotated[str | None, typer.Option("--attack", help="ascent, fgsm, pgd or deepfool. Default: pgd.")] = None,
    norm: Annotated[str | None, typer.Option("--norm", help="What bounds the change: linf or l2.")] = None,
    epsilon: Annotated[
        float | None,
        typer.Option("--epsilon", parser=to_length, metavar="LENGTH", help="Largest change, of values 0 to 1: 8/255."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps at most.")] = None,
    step_size: Annotated[
        float | None,
        typer.Option("--step-size", parser=to_length, metavar="LENGTH", help="How far a step goes, of values 0 to 1."),
    ] = None,
    restarts: Annotated[int | None, typer.Option("--restarts", help="Starts of pgd; the best is kept.")] = None,
    random_start: Annotated[
        bool | None, typer.Option("--random-start/--no-random-start", help="Whether pgd starts at a random place.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Probability at which the attack ends, 0 to below 1.")
    ] = None,
    model: ModelName = DEFAULT_MODEL,
    seed: Seed = None,
    priority: Priority = None,
    output: Destination = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Change a picture a little, so that a model answers otherwise."""
    destination = output or photo.parent / f"{photo.stem}.adversarial.png"
    check_output(destination)
    with connect(server, timeout) as client:
        job = client.create_adversarial(
            photo,
            model=model,
            target=None if target is None else to_class_name(target),
            attack=attack,
            norm=norm,
            epsilon=epsilon,
            steps=steps,
            step_size=step_size,
            restarts=restarts,
            random_start=random_start,
            confidence=confidence,
            seed=seed,
            priority=priority,
        )
        if detach:
            print(job.name)
        else:
            finish(client, job, destination)
