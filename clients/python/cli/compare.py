"""convscope compare: several methods or targets side by side."""

from typing import Annotated

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect, long_timeout
from convscope.client.cli.drawing import DEFAULT_COLORMAP, DEFAULT_OPACITY, Colormap, Opacity, Photo, Sheet
from convscope.client.cli.question import Precision, Targets, to_class_name
from convscope.client.client import LONG_TIMEOUT
from convscope.client.methods import METHODS, Variant
from convscope.client.results import check_picture_destination
from convscope.client.targets import Target

DEFAULT_METHODS = ("saliency", "guided_backprop", "grad_cam", "guided_grad_cam", "occlusion")


def compare(
    photo: Photo,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help=f"As often as needed, of: {', '.join(METHODS)}. Default: five of them."),
    ] = None,
    target: Targets = None,
    model: ModelName = DEFAULT_MODEL,
    precision: Precision = None,
    output: Sheet = None,
    opacity: Opacity = DEFAULT_OPACITY,
    colormap: Colormap = DEFAULT_COLORMAP,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Explain a picture by each method for each target, all on one sheet."""
    destination = output or photo.parent / f"{photo.stem}.compare.png"
    check_picture_destination(destination)
    targets: list[Target] = [to_class_name(text) for text in target or []]
    variants = [Variant(name, target=one) for one in targets or [None] for name in method or DEFAULT_METHODS]
    with connect(server, timeout) as client:
        answers = client.compare(
            photo, variants, model=model, precision=precision, timeout=long_timeout(timeout) or LONG_TIMEOUT
        )
    answers.contact_sheet(opacity=opacity, colormap=colormap).save(destination)
    for answer in answers:
        at = f" at {answer.layer}" if answer.layer else ""
        print(f"{answer}: {answer.method}{at}")
    print(f"-> {destination}")
