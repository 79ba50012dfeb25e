"""convscope evaluate methods, attention: how good explanations are."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.collection_name import CollectionName
from convscope.client.cli.collection_work import check_result_folder, finish_or_detach
from convscope.client.cli.connection import ModelName, Server, Timeout, connect, long_timeout
from convscope.client.cli.job_options import Detach, Priority
from convscope.client.cli.uploads import send
from convscope.client.evaluation_plans import METRICS
from convscope.client.methods import METHODS

DEFAULT_METHODS = ("grad_cam", "guided_grad_cam", "guided_backprop", "gradient")
# Where a thing is cut out there is no evidence to measure.
MEASURED = tuple(name for name in METHODS if name != "segment")

MethodNames = Annotated[
    list[str] | None,
    typer.Option("--method", help=f"As often as needed, of: {', '.join(MEASURED)}. Default: four of them."),
]
Limit = Annotated[int | None, typer.Option("--limit", help="Only so many examples, the first ones; at least 2.")]
NumbersSeed = Annotated[
    int | None, typer.Option("--seed", help="Of all that is random; the same gives the same table.")
]
ReportFolder = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the report.")]

app = typer.Typer(
    help="How good explanations are, over a collection of images.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("methods")
def evaluate_methods(
    name: CollectionName,
    model: ModelName,
    method: MethodNames = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help=f"As often as needed, of: {', '.join(METRICS)}. Default: all that are possible."),
    ] = None,
    limit: Limit = None,
    seed: NumbersSeed = None,
    priority: Priority = None,
    output: ReportFolder = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Measure methods by metrics, over a collection's annotations; of one without any over its images."""
    check_result_folder(output)
    with connect(server, timeout) as client:
        job = client.collection(name).evaluate_methods(
            model=model,
            methods=method or DEFAULT_METHODS,
            metrics=metric or (),
            limit=limit,
            seed=seed,
            priority=priority,
        )
        finish_or_detach(client, job, detach, output)


@app.command("attention")
def evaluate_attention(
    name: CollectionName,
    model: ModelName,
    method: MethodNames = None,
    maps: Annotated[
        Path | None,
        typer.Option("--maps", help="Upload these first: a folder of PNGs named {annotation}_{annotator}.png."),
    ] = None,
    limit: Limit = None,
    seed: NumbersSeed = None,
    priority: Priority = None,
    output: ReportFolder = None,
    detach: Detach = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """Compare methods with where people looked; where nobody's attention maps are there, with the masks."""
    check_result_folder(output)
    with connect(server, timeout) as client:
        collection = client.collection(name)
        if maps is not None:
            seconds = long_timeout(timeout)
            found = send(
                client, "maps", lambda told: collection.upload_attention(maps, on_progress=told, timeout=seconds)
            )
            # Aside: what is asked for is the table, or the job's name.
            print(f"{collection.name}: {found}", file=sys.stderr)
        job = collection.evaluate_attention(
            model=model, methods=method or DEFAULT_METHODS, limit=limit, seed=seed, priority=priority
        )
        finish_or_detach(client, job, detach, output)
