"""convscope answer: what a model answers to a question about a picture."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from convscope.client.cli.connection import AsJson, ModelName, Server, Timeout, connect
from convscope.client.cli.drawing import Photo

DEFAULT_MODEL = "shapes_vqa"


def answer(
    photo: Photo,
    question: Annotated[str, typer.Argument(help="What is asked about the picture.")],
    model: ModelName = DEFAULT_MODEL,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, max=1000, help="How many answers.")] = 5,
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Answer a question about a picture."""
    with connect(server, timeout) as client:
        found = client.answer(photo, question, model=model, top_k=top_k)
    if as_json:
        print(json.dumps([asdict(prediction) for prediction in found]))
        return
    for prediction in found:
        print(f"{prediction.probability:7.2%}  {prediction.label}")
