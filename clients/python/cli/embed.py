"""convscope embed: feature vectors of pictures."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.errors import InvalidArgument


def embed(
    photos: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP pictures.")],
    model: ModelName = DEFAULT_MODEL,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Whose answer is the vector; default: what the classifier is given.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="float32 [pictures, length], .npy.")] = Path(
        "embeddings.npy"
    ),
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Write the feature vectors of pictures."""
    if output.suffix != ".npy":
        raise InvalidArgument(f"{output} must end in .npy", field="output", reason="UNKNOWN_FORMAT")
    with connect(server, timeout) as client:
        vectors = client.embed(photos, model=model, layer=layer)
    np.save(output, vectors)
    print(f"{len(vectors)} pictures, {vectors.shape[1]} numbers each -> {output}")
