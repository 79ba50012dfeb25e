"""convscope collection patches, neighbors: what an index of a collection knows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.cli.collection_name import CollectionName, EmbeddingLayer, IndexedModel
from convscope.client.cli.connection import AsJson, Server, Timeout, connect
from convscope.client.cli.following import file_name
from convscope.client.cli.job_options import check_folder
from convscope.client.neighbors import Neighbor
from convscope.client.patches import Patch
from convscope.client.results import check_picture_destination

SheetFile = Annotated[Path | None, typer.Option("--output", "-o", help="The sheet (.png, .jpg, .webp).")]


def patches(
    name: CollectionName,
    layer: Annotated[str, typer.Option("--layer", help="A layer that the index has.")],
    channel: Annotated[int, typer.Option("--channel", min=0, help="The channel, from 0.")],
    place: Annotated[
        tuple[int, int] | None,
        typer.Option(
            "--place", help="Row and column of a neuron, for an index made with --neurons.", metavar="ROW COLUMN"
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many; default: 9.")] = None,
    model: IndexedModel = None,
    several_per_image: Annotated[
        bool, typer.Option("--several-per-image", help="Also several patches of one image, not only its strongest.")
    ] = False,
    output: SheetFile = None,
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Draw the patches to which a channel answers most; with --json only where --output is given."""
    destination = _destination(output, as_json, Path(f"{file_name(layer)}.{channel}.patches.png"))
    with connect(server, timeout) as client:
        found = client.collection(name).find_patches(
            layer,
            channel,
            place=place,
            k=k,
            model=model,
            several_per_image=several_per_image,
            crops=destination is not None,
        )
    if destination is not None:
        found.grid().save(destination)
    if as_json:
        print(json.dumps([_of_patch(one) for one in found]))
        return
    for one in found:
        print(one)
    exact = "" if found.exact else "; regions are whole pictures, for what a place sees is not known"
    print(f"{found} -> {destination}{exact}")


def neighbors(
    name: CollectionName,
    photo: Annotated[str, typer.Argument(help="A picture, or the number of an image of the collection.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many.")] = 5,
    metric: Annotated[str, typer.Option("--metric", help="Of features: l2, cosine or inner_product.")] = "l2",
    embedding_layer: EmbeddingLayer = None,
    model: IndexedModel = None,
    output: SheetFile = None,
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Draw what is near to a picture for a network, and below it what is near pixel by pixel; with --json only where
    --output is given."""
    numbered = photo.isdecimal() and not Path(photo).exists()
    beside = Path(f"{photo}.neighbors.png") if numbered else Path(photo).parent / f"{Path(photo).stem}.neighbors.png"
    destination = _destination(output, as_json, beside)
    with connect(server, timeout) as client:
        found = client.collection(name).compare_neighbors(
            int(photo) if numbered else photo, k=k, metric=metric, embedding_layer=embedding_layer, model=model
        )
    if destination is not None:
        found.sheet().save(destination)
    rows = {"features": found.features, "pixels": found.pixels}
    if as_json:
        print(json.dumps({space: [_of_neighbor(one) for one in row] for space, row in rows.items()}))
        return
    for space, row in rows.items():
        for one in row:
            print(f"{space}: {one}")
    print(f"-> {destination}")


def _destination(output: Path | None, as_json: bool, default: Path) -> Path | None:
    """Where the sheet goes; None for nowhere. Raises InvalidArgument."""
    if output is None and as_json:
        return None
    destination = output or default
    check_picture_destination(destination)
    check_folder(destination)
    return destination


def _of_patch(patch: Patch) -> dict[str, Any]:
    return _plain(patch, ("number", "file_name", "activation", "place", "region", "input_region"))


def _of_neighbor(neighbor: Neighbor) -> dict[str, Any]:
    said = _plain(neighbor.prediction, ("index", "label", "probability"))
    return {**_plain(neighbor, ("number", "file_name", "distance")), "prediction": said}


def _plain(thing: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}
