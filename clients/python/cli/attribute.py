"""convscope attribute: which pixels made a model say what it said."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect, long_timeout
from convscope.client.cli.drawing import DEFAULT_COLORMAP, DEFAULT_OPACITY, Colormap, Opacity, Photo
from convscope.client.cli.question import (
    AnswerName,
    CaptionText,
    Minus,
    Output,
    ParameterTexts,
    Precision,
    Question,
    Targets,
    UnitName,
    WordName,
    to_parameters,
    to_sentence_target,
    to_target,
)
from convscope.client.methods import METHODS
from convscope.client.results import check_destination


def attribute(
    photo: Photo,
    method: Annotated[str, typer.Option("--method", help=f"One of: {', '.join(METHODS)}.")] = "grad_cam",
    target: Targets = None,
    minus: Minus = None,
    output_of_class: Output = None,
    unit: UnitName = None,
    question: Question = None,
    answer: AnswerName = None,
    caption: CaptionText = None,
    word: WordName = None,
    model: ModelName = DEFAULT_MODEL,
    layer: Annotated[str | None, typer.Option("--layer", help="Layer to look at; see `convscope layers`.")] = None,
    parameter: ParameterTexts = None,
    precision: Precision = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Overlay (.png, .jpg, .webp) or values (.npy).")
    ] = None,
    opacity: Opacity = DEFAULT_OPACITY,
    colormap: Colormap = DEFAULT_COLORMAP,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Explain a picture and write the heatmap over it."""
    parameters = to_parameters(method, parameter)
    if layer is not None:
        parameters["layer"] = layer
    destination = output or photo.parent / f"{photo.stem}.{method}.png"
    check_destination(destination)
    others = (target, minus, output_of_class, unit)
    asked = to_sentence_target(question, answer, caption, word, others) or to_target(*others)
    # Only long methods tell their progress.
    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with connect(server, timeout) as client, bar:
        line = bar.add_task(method, total=None, visible=False)
        explained = client.attribute(
            photo,
            model=model,
            method=method,
            target=asked,
            precision=precision,
            on_progress=lambda done, total: bar.update(line, completed=done, total=total, visible=True),
            timeout=long_timeout(timeout),
            **parameters,
        )
    if destination.suffix == ".npy":
        explained.save(destination)
    else:
        explained.overlay(opacity=opacity, colormap=colormap).save(destination)
    at = f" at {explained.layer}" if explained.layer else ""
    print(f"{explained}: {method}{at} -> {destination}")
    if explained.segmentation is not None and explained.segmentation.note:
        print(explained.segmentation.note)
