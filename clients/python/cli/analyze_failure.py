"""convscope analyze-failure: what a model said, beside what is true."""

from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect, long_timeout
from convscope.client.cli.drawing import DEFAULT_COLORMAP, DEFAULT_OPACITY, Colormap, Opacity, Photo, Sheet
from convscope.client.cli.question import ParameterTexts, Precision, to_class_name, to_parameters
from convscope.client.client import LONG_TIMEOUT
from convscope.client.methods import METHODS
from convscope.client.results import check_picture_destination


def analyze_failure(
    photo: Photo,
    truth: Annotated[str, typer.Option("--truth", help="Label or index of the class that is in the picture.")],
    method: Annotated[str, typer.Option("--method", help=f"One of: {', '.join(METHODS)}.")] = "grad_cam",
    model: ModelName = DEFAULT_MODEL,
    parameter: ParameterTexts = None,
    precision: Precision = None,
    output: Sheet = None,
    opacity: Opacity = DEFAULT_OPACITY,
    colormap: Colormap = DEFAULT_COLORMAP,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Explain a picture for what the model says and for the truth, side by side."""
    destination = output or photo.parent / f"{photo.stem}.failure.png"
    check_picture_destination(destination)
    parameters = to_parameters(method, parameter)
    with connect(server, timeout) as client:
        analysis = client.analyze_failure(
            photo,
            to_class_name(truth),
            model=model,
            method=method,
            precision=precision,
            timeout=long_timeout(timeout) or LONG_TIMEOUT,
            **parameters,
        )
    analysis.contact_sheet(opacity=opacity, colormap=colormap).save(destination)
    verdict = "right" if analysis.correct else "wrong"
    print(f"{verdict}: said {analysis.said}, truth {analysis.truth} -> {destination}")
