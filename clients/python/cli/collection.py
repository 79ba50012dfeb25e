"""convscope collection create, list, show, upload, delete ...: collections of images."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from convscope.client.cli import collection_annotations, collection_searches, collection_work
from convscope.client.cli.collection_name import CollectionName
from convscope.client.cli.connection import AsJson, Server, Timeout, connect, long_timeout
from convscope.client.cli.uploads import send
from convscope.client.collection_info import CollectionInfo, in_number

WIDEST = 200
MEGABYTE = 1e6

app = typer.Typer(
    help="Collections of images: fill them, run models over them, look what is in them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")], server: Server = None, timeout: Timeout = None
) -> None:
    """Make an empty collection and print its name, by which other commands find it."""
    with connect(server, timeout) as client:
        print(client.create_collection(name).name)


@app.command("list")
def list_collections(as_json: AsJson = False, server: Server = None, timeout: Timeout = None) -> None:
    """List collections, the newest first."""
    with connect(server, timeout) as client:
        found = [collection.info for collection in client.collections()]
    if as_json:
        print(json.dumps([asdict(info) for info in found], default=datetime.isoformat))
    else:
        # A pipe has no width, and a name that is cut off is of no use.
        Console(width=None if sys.stdout.isatty() else WIDEST).print(_table(found))


@app.command("show")
def show(name: CollectionName, as_json: AsJson = False, server: Server = None, timeout: Timeout = None) -> None:
    """Tell what is in a collection, and what is kept about it."""
    with connect(server, timeout) as client:
        info = client.collection(name).info
    if as_json:
        print(json.dumps(asdict(info), default=datetime.isoformat))
        return
    print(info)
    again = f", {in_number(info.duplicate_count, 'file')} came again" if info.duplicate_count else ""
    broken = f", {in_number(info.broken_count, 'file')} broken" if info.broken_count else ""
    print(f"{info.size / MEGABYTE:.1f} MB{again}{broken}")
    for index in info.indexes:
        print(f"index {index.name} of {index}")
    for job in info.jobs:
        print(f"{job} works on it")
    for file in info.broken:
        print(f"broken: {file}")


@app.command("upload")
def upload(
    name: CollectionName,
    paths: Annotated[list[Path], typer.Argument(help="Pictures, and folders with pictures in them.")],
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Add pictures. A file that is no picture is told and harms no other; identical ones are kept once."""
    with connect(server, timeout) as client:
        collection = client.collection(name)
        seconds = long_timeout(timeout)
        uploaded = send(client, "files", lambda told: collection.upload(paths, on_progress=told, timeout=seconds))
    print(f"{collection.name}: {uploaded}")


@app.command("delete")
def delete(name: CollectionName, server: Server = None, timeout: Timeout = None) -> None:
    """Delete a collection with its images and all that is kept about it."""
    with connect(server, timeout) as client:
        collection = client.collection(name)
        collection.delete()
        print(f"{collection.name} is deleted")


app.command("import")(collection_work.import_images)
app.command("shapes")(collection_work.make_shapes)
app.command("annotate")(collection_annotations.annotate)
app.command("attention")(collection_annotations.attention)
app.command("index")(collection_work.index)
app.command("map")(collection_work.draw_map)
app.command("patches")(collection_searches.patches)
app.command("neighbors")(collection_searches.neighbors)


def _table(found: list[CollectionInfo]) -> Table:
    whole = [Column(title, no_wrap=True) for title in ("collection", "images", "size", "created")]
    table = Table(*whole, "called", "models", box=None, pad_edge=False)
    for info in found:
        created = f"{info.created.astimezone():%Y-%m-%d %H:%M:%S}" if info.created else ""
        models = ", ".join(sorted({index.model for index in info.indexes}))
        size = f"{info.size / MEGABYTE:.1f} MB"
        # As text: a name may have brackets in it.
        words = (info.name, str(info.image_count), size, created, info.display_name, models)
        table.add_row(*(Text(word) for word in words))
    return table
