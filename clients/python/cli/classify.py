"""convscope classify: what a model says of a picture."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, AsJson, ModelName, Server, Timeout, connect
from convscope.client.cli.drawing import Photo


def classify(
    photo: Photo,
    model: ModelName = DEFAULT_MODEL,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, max=1000, help="How many classes.")] = 5,
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Name the classes of a picture."""
    with connect(server, timeout) as client:
        found = client.classify(photo, model=model, top_k=top_k)
    if as_json:
        print(json.dumps([asdict(prediction) for prediction in found]))
        return
    for prediction in found:
        print(f"{prediction.probability:7.2%}  {prediction.label}  ({prediction.index})")
