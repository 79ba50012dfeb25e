"""convscope collection annotate, attention: what is known about images, and where people looked."""

from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.annotation_lines import read_annotations
from convscope.client.cli.collection_name import CollectionName
from convscope.client.cli.collection_work import check_result_folder
from convscope.client.cli.connection import Server, Timeout, connect, long_timeout
from convscope.client.cli.following import file_name
from convscope.client.cli.uploads import send
from convscope.client.collection_info import in_number


def annotate(
    name: CollectionName,
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON lines: id, image (number or file name), one of label, caption (with a word of it) and question "
            "(with its answer), mask (a file)."
        ),
    ],
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Add what is asked of images, and where the answer is to be seen. A wrong line is told before anything is sent."""
    annotations = read_annotations(file)
    with connect(server, timeout) as client:
        collection = client.collection(name)
        seconds = long_timeout(timeout)
        found = send(
            client,
            "annotations",
            lambda told: collection.annotate(annotations, on_progress=told, timeout=seconds),
        )
    print(f"{collection.name}: {found}")


def attention(
    name: CollectionName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the maps, {annotation}_{annotator}.png.")
    ] = None,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Write where people looked, their attention maps as they came."""
    check_result_folder(output)
    with connect(server, timeout) as client:
        collection = client.collection(name)
        folder = output or Path(f"{file_name(collection.display_name)}.attention")
        paths = collection.download_attention(folder)
    where = f" -> {folder}" if paths else ""
    print(f"{collection.name}: {in_number(len(paths), 'attention map')}{where}")
