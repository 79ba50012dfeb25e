"""convscope filters: the weights of a convolution."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.grids import NUMBERS_HELP, GridColormap, Normalized, to_numbers
from convscope.client.results import check_destination


def filters(
    layer: Annotated[str, typer.Argument(help="A convolution; see `convscope layers`.")],
    model: ModelName = DEFAULT_MODEL,
    outputs: Annotated[str | None, typer.Option("--outputs", help=f"Filters. {NUMBERS_HELP}")] = None,
    inputs: Annotated[str | None, typer.Option("--inputs", help=f"Input channels. {NUMBERS_HELP}")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Grid (.png ...) or weights (.npy).")] = None,
    normalization: Normalized = "each",
    colormap: GridColormap = "gray",
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Draw the filters of a convolution on a grid."""
    destination = output or Path(f"{model}.{layer}.filters.png")
    check_destination(destination)
    with connect(server, timeout) as client:
        found = client.filters(
            model, layer, outputs=to_numbers(outputs, field="outputs"), inputs=to_numbers(inputs, field="inputs")
        )
    if destination.suffix == ".npy":
        np.save(destination, found.weights)
    else:
        found.grid(normalization=normalization, colormap=colormap).save(destination)
    print(f"{found} -> {destination}")
