"""convscope models, layers, load, unload: what the cluster can explain."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from convscope.client.cli.connection import AsJson, Server, Timeout, connect
from convscope.client.client import LOAD_TIMEOUT
from convscope.client.plans import layers_of

Name = Annotated[str, typer.Argument(help="A model of the catalogue.")]


def models(as_json: AsJson = False, server: Server = None, timeout: Timeout = None) -> None:
    """List the catalogue."""
    with connect(server, timeout) as client:
        found = client.models()
    if as_json:
        print(json.dumps([asdict(model) for model in found]))
        return
    table = Table(
        Column("model", no_wrap=True),
        Column("state", no_wrap=True),
        "classes",
        "input",
        "suggested layer",
        "from",
        box=None,
        pad_edge=False,
    )
    for model in found:
        size = f"{model.preprocessing.height} x {model.preprocessing.width}" if model.preprocessing else ""
        classes = str(model.class_count or "")
        table.add_row(model.name, model.state, classes, size, model.suggested_layer, model.description)
    Console().print(table)


def layers(name: Name, as_json: AsJson = False, server: Server = None, timeout: Timeout = None) -> None:
    """List a loaded model's layers, in the order in which a pass finishes them."""
    with connect(server, timeout) as client:
        model = client.model(name)
    known = layers_of(model)
    if as_json:
        print(json.dumps([asdict(layer) for layer in known]))
        return
    table = Table(Column("layer", no_wrap=True), "type", "output", "", box=None, pad_edge=False)
    for layer in known:
        mark = "suggested" if layer.name == model.suggested_layer else ""
        table.add_row(layer.name, layer.type, " x ".join(map(str, layer.output_shape)), mark)
    Console().print(table)


def load(name: Name, server: Server = None, timeout: Timeout = None) -> None:
    """Load a model in every replica."""
    with connect(server, timeout) as client:
        model = client.load_model(name, timeout=timeout or LOAD_TIMEOUT)
    print(f"{model.name} is {model.state} on {model.device}")


def unload(name: Name, server: Server = None, timeout: Timeout = None) -> None:
    """Unload a model in every replica."""
    with connect(server, timeout) as client:
        model = client.unload_model(name)
    print(f"{model.name} is {model.state}")
