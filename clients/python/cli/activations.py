"""convscope activations: what layers answer to a picture."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.drawing import Photo
from convscope.client.cli.grids import NUMBERS_HELP, GridColormap, Normalized, to_numbers
from convscope.client.errors import InvalidArgument
from convscope.client.results import check_destination


def activations(
    photo: Photo,
    layer: Annotated[list[str], typer.Option("--layer", help="Layer to look at; once more for each.")],
    model: ModelName = DEFAULT_MODEL,
    channels: Annotated[str | None, typer.Option("--channels", help=f"Channels. {NUMBERS_HELP}")] = None,
    order: Annotated[str, typer.Option("--order", help="Of the channels: index, maximum or mean.")] = "index",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many channels.")] = 64,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Grid (.png ...) or values (.npy); of one layer.")
    ] = None,
    normalization: Normalized = "each",
    colormap: GridColormap = "gray",
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Draw the channels of layers beside a picture."""
    if output is not None:
        check_destination(output)
        if len(layer) > 1:
            message = "one file takes one layer; leave --output out, and each gets a file of its own"
            raise InvalidArgument(message, field="output", reason="OUT_OF_RANGE")
    with connect(server, timeout) as client:
        found = client.activations(
            photo,
            model=model,
            layers=layer,
            channels=to_numbers(channels, field="channels"),
            order=order,
            limit=limit,
            top_k=1,
        )
    for one in found:
        destination = output or photo.parent / f"{photo.stem}.{one.layer}.activations.png"
        if destination.suffix == ".npy":
            np.save(destination, one.values)
        else:
            one.grid(normalization=normalization, colormap=colormap).save(destination)
        of = f" of {one.channel_count}" if len(one.channels) < one.channel_count else ""
        print(f"{one}{of} -> {destination}")
