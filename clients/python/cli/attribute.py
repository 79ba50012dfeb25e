"""convscope attribute: which pixels made a model say what it said."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.plans import METHOD_FIELDS, METHODS, Target
from convscope.client.results import check_destination
from convscope.engine.imaging.overlay import OPACITY

Photo = Annotated[Path, typer.Argument(help="A JPEG, PNG or WebP picture.")]


def attribute(
    photo: Photo,
    method: Annotated[str, typer.Option("--method", help=f"One of: {', '.join(METHODS)}.")] = "grad_cam",
    target: Annotated[str | None, typer.Option("--target", "-t", help="Class label or index; the top class.")] = None,
    model: ModelName = DEFAULT_MODEL,
    layer: Annotated[str | None, typer.Option("--layer", help="Layer to look at; see `convscope layers`.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Of the method: name=value; as often as needed.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Overlay (.png, .jpg, .webp) or values (.npy).")
    ] = None,
    opacity: Annotated[float, typer.Option("--opacity", min=0, max=1, help="Of its strongest places.")] = OPACITY,
    colormap: Annotated[str, typer.Option("--colormap", help="turbo, viridis, magma or gray.")] = "turbo",
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Explain a picture and write the heatmap over it."""
    parameters = dict(_parse(method, text) for text in parameter or [])
    if layer is not None:
        parameters["layer"] = layer
    destination = output or photo.parent / f"{photo.stem}.{method}.png"
    check_destination(destination)
    with connect(server, timeout) as client:
        answer = client.attribute(photo, model=model, method=method, target=to_target(target), **parameters)
    if destination.suffix == ".npy":
        answer.save(destination)
    else:
        answer.overlay(opacity=opacity, colormap=colormap).save(destination)
    at = f" at {answer.layer}" if answer.layer else ""
    print(f"{answer.target}: {method}{at} -> {destination}")


def to_target(text: str | None) -> Target:
    """Digits are a class index, anything else a label."""
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,9}", text) else text


def _parse(method: str, text: str) -> tuple[str, Any]:
    """name=value, the value in the type that the contract gives the method's parameter."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no name=value", param_hint="--parameter")
    fields = {field.name: field.message_type.fields_by_name for field in METHOD_FIELDS if field.message_type}.get(
        method, {}
    )
    if name not in fields:
        return name, value  # the SDK says which there are
    field = fields[name]
    try:
        if field.type == field.TYPE_BOOL:
            return name, {"true": True, "false": False}[value.lower()]
        if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
            return name, float(value)
        if field.type != field.TYPE_STRING:
            return name, int(value)
    except (KeyError, ValueError):
        message = f"{name} cannot be {value!r}"
        raise typer.BadParameter(message, param_hint="--parameter") from None
    return name, value
