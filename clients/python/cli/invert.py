"""convscope invert: a picture whose features are those of a photograph."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.following import finish
from convscope.client.cli.job_options import Destination, Detach, Priority, Seed, check_output
from convscope.client.cli.recipe_options import RecipeName, RecipeTexts, Steps, overrides
from convscope.client.errors import InvalidArgument


def invert(
    photo: Annotated[Path | None, typer.Argument(help="A JPEG, PNG or WebP picture.")] = None,
    features: Annotated[
        Path | None, typer.Option("--features", help="Instead of a photograph: a layer's output for one (.npy).")
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="Layer; several make one picture each. Default: a middle one.")
    ] = None,
    all_layers: Annotated[bool, typer.Option("--all-layers", help="About eight, from the first to the last.")] = False,
    model: ModelName = DEFAULT_MODEL,
    recipe: RecipeName = None,
    parameter: RecipeTexts = None,
    steps: Steps = None,
    seed: Seed = None,
    priority: Priority = None,
    output: Destination = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Make a picture whose features at a layer are those of a photograph, or given ones."""
    parameters = overrides(parameter, steps=steps, seed=seed)
    source = photo or features
    destination = output or (source.parent / f"{source.stem}.inverted.png" if source else None)
    if destination is not None:
        check_output(destination)
    with connect(server, timeout) as client:
        job = client.invert_features(
            photo,
            model=model,
            layer=layer or None,
            features=None if features is None else _read(features),
            all_layers=all_layers,
            recipe=recipe,
            priority=priority,
            **parameters,
        )
        if detach:
            print(job.name)
        else:
            finish(client, job, destination)


def _read(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        message = f"features cannot be read from {path}: {getattr(error, 'strerror', None) or error}"
        raise InvalidArgument(message, field="features", reason="FEATURES_UNREADABLE") from error
