"""convscope caption: what a picture shows in a sentence, and which pixels each word is for."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.connection import AsJson, ModelName, Server, Timeout, connect, long_timeout
from convscope.client.cli.drawing import DEFAULT_COLORMAP, DEFAULT_OPACITY, Colormap, Opacity, Photo
from convscope.client.cli.question import ParameterTexts, to_parameters
from convscope.client.client import LONG_TIMEOUT
from convscope.client.methods import METHODS
from convscope.client.results import check_picture_destination

DEFAULT_MODEL = "shapes_captioner"


def caption(
    photo: Photo,
    model: ModelName = DEFAULT_MODEL,
    beams: Annotated[int, typer.Option("--beams", min=1, max=16, help="Sentences that are followed at a time.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the sentence with a map over each word.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="With -o: explain this caption, not the model's own.")
    ] = None,
    method: Annotated[str, typer.Option("--method", help=f"With -o; one of: {', '.join(METHODS)}.")] = "grad_cam",
    parameter: ParameterTexts = None,
    opacity: Opacity = DEFAULT_OPACITY,
    colormap: Colormap = DEFAULT_COLORMAP,
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Say what a picture shows in a sentence."""
    if output is None:
        if text is not None:
            raise typer.BadParameter(
                "a caption of your own is there to be explained: name an --output", param_hint="--text"
            )
        with connect(server, timeout) as client:
            said = client.caption(photo, model=model, beams=beams)
        print(json.dumps({"text": said.text, "words": [asdict(word) for word in said]}) if as_json else said)
        return
    check_picture_destination(output)
    parameters = to_parameters(method, parameter)
    seconds = long_timeout(timeout) or LONG_TIMEOUT
    with connect(server, timeout) as client:
        explained = client.attribute_caption(
            photo, text, model=model, beams=beams, method=method, timeout=seconds, **parameters
        )
    explained.contact_sheet(opacity=opacity, colormap=colormap).save(output)
    print(f"{explained.text}: {method} -> {output}")
