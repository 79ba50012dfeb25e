"""convscope collection import, shapes, index, map: long work on a collection."""

from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.cli.collection_name import CollectionName, EmbeddingLayer
from convscope.client.cli.connection import DEFAULT_MODEL, ModelName, Server, Timeout, connect
from convscope.client.cli.evaluation_table import print_evaluation
from convscope.client.cli.following import file_name, follow, interruptible
from convscope.client.cli.job_options import Detach, Priority, Seed
from convscope.client.client import Client
from convscope.client.collection_map import CollectionMap
from convscope.client.collection_plans import TASKS
from convscope.client.errors import InvalidArgument
from convscope.client.evaluation import Evaluation
from convscope.client.jobs import CollectionJob
from convscope.client.prior import PRIOR_FILE, TrainedPrior

MapFolder = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the page, the picture, the points.")]


def import_images(
    name: CollectionName,
    url: Annotated[str, typer.Argument(help="A folder or a zip file that workers read: file:///data/photos, s3://...")],
    priority: Priority = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Add the images under a URL that workers read."""
    with connect(server, timeout) as client:
        job = client.collection(name).import_images(url, priority=priority)
        finish_or_detach(client, job, detach)


def make_shapes(
    name: CollectionName,
    task: Annotated[str, typer.Option("--task", help=f"What is asked of each picture: {', '.join(TASKS)}.")] = "vqa",
    count: Annotated[int, typer.Option("--count", help="How many pictures, 1 to 10000.")] = 200,
    seed: Seed = None,
    priority: Priority = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Add pictures of the small world of shapes, made by workers, with what is asked of each and where the answer is to
    be seen."""
    with connect(server, timeout) as client:
        job = client.collection(name).import_shapes(task, count, seed=seed, priority=priority)
        finish_or_detach(client, job, detach)


def index(
    name: CollectionName,
    model: ModelName = DEFAULT_MODEL,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", help="Whose strongest activations are kept, for `patches`; once more for each."),
    ] = None,
    embedding_layer: EmbeddingLayer = None,
    patches_per_channel: Annotated[
        int | None, typer.Option("--patches-per-channel", help="How many activations are kept for each channel.")
    ] = None,
    neurons: Annotated[
        bool, typer.Option("--neurons", help="Also keep what each neuron, a channel at one place, answers most to.")
    ] = False,
    priority: Priority = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Run all images through a model once; of a collection that has such an index only new ones."""
    with connect(server, timeout) as client:
        job = client.collection(name).index(
            model=model,
            layers=layer or (),
            embedding_layer=embedding_layer,
            patches_per_channel=patches_per_channel,
            neurons=neurons,
            priority=priority,
        )
        finish_or_detach(client, job, detach)


def draw_map(
    name: CollectionName,
    index_name: Annotated[
        str | None, typer.Option("--index", help="Name of the index that is laid out; default: the newest.")
    ] = None,
    method: Annotated[str, typer.Option("--method", help="tsne or pca.")] = "tsne",
    perplexity: Annotated[
        float | None, typer.Option("--perplexity", help="Of tsne: how many neighbours count.")
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Of tsne: euclidean or cosine.")] = None,
    onto: Annotated[
        str | None, typer.Option("--onto", help="Of tsne: a job that has made a map, to which new images are added.")
    ] = None,
    seed: Seed = None,
    priority: Priority = None,
    output: MapFolder = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Lay the images of an index out, similar ones near each other."""
    check_result_folder(output)
    with connect(server, timeout) as client:
        collection = client.collection(name)
        job = collection.project(
            index=index_name,
            method=method,
            perplexity=perplexity,
            metric=metric,
            seed=seed,
            onto=onto,
            priority=priority,
        )
        finish_or_detach(client, job, detach, output or Path(f"{file_name(collection.display_name)}.map"))


def finish_work(client: Client, job: CollectionJob[Any], folder: Path | None) -> None:
    """Follow a job on a collection to its end and print what it has found; a map is written into the folder, or into
    one that is named like the job, an evaluation and a prior only into a folder."""

    def work() -> Any:
        follow(job)
        found = job.result()
        if isinstance(found, TrainedPrior) and folder is not None:
            found.save(folder)
            # No part of the result, for it is large.
            job.download_to(PRIOR_FILE, folder / PRIOR_FILE)
        return found

    found = interruptible(client, [job], work)
    if isinstance(found, CollectionMap):
        place = folder or Path(f"{file_name(job.name.removeprefix('jobs/'))}.map")
        found.save(place)
        print(f"{job.name}: {found} -> {place}")
        return
    print(f"{job.name}: {found}")
    if isinstance(found, Evaluation):
        print_evaluation(found)
        if folder is not None:
            found.save(folder)
    if isinstance(found, Evaluation | TrainedPrior) and folder is not None:
        print(f"-> {folder}")


def finish_or_detach(client: Client, job: CollectionJob[Any], detach: bool, folder: Path | None = None) -> None:
    """finish_work(), or where it is to go on by itself print its name."""
    if detach:
        print(job.name)
    else:
        finish_work(client, job, folder)


def check_result_folder(path: Path | None) -> None:
    """Before a job has taken its time for nothing. Raises InvalidArgument."""
    if path is not None and path.exists() and not path.is_dir():
        raise InvalidArgument(f"{path} is no folder", field="output", reason="NO_FOLDER")
