"""convscope dream: exaggerate in a picture what a layer sees in it."""

from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.drawing import Photo
from convscope.client.cli.following import finish
from convscope.client.cli.job_options import Destination, Detach, Jitter, Priority, Seed, StepSize, check_output


def dream(
    photo: Photo,
    model: ModelName = DEFAULT_MODEL,
    layer: Annotated[str | None, typer.Option("--layer", help="Layer to dream with; see `convscope layers`.")] = None,
    channel: Annotated[
        list[int] | None, typer.Option("--channel", help="Of the layer, to count alone; as often as needed.")
    ] = None,
    guide: Annotated[Path | None, typer.Option("--guide", help="A picture whose features to take up.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps in each octave.")] = None,
    octaves: Annotated[int | None, typer.Option("--octaves", help="Sizes of the picture that are worked on.")] = None,
    octave_scale: Annotated[float | None, typer.Option("--octave-scale", help="Ratio of one size to the next.")] = None,
    step_size: StepSize = None,
    jitter: Jitter = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Longer side, in pixels, to which a larger picture is scaled down.")
    ] = None,
    seed: Seed = None,
    priority: Priority = None,
    output: Destination = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Exaggerate in a picture what a layer sees in it."""
    destination = output or photo.parent / f"{photo.stem}.dream.png"
    check_output(destination)
    with connect(server, timeout) as client:
        job = client.deep_dream(
            photo,
            model=model,
            layer=layer,
            channels=channel or (),
            guide=guide,
            steps=steps,
            octaves=octaves,
            octave_scale=octave_scale,
            step_size=step_size,
            jitter=jitter,
            size=size,
            seed=seed,
            priority=priority,
        )
        if detach:
            print(job.name)
        else:
            finish(client, job, destination)
