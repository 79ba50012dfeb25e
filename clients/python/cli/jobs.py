"""convscope jobs list, watch, cancel, result, delete: long work, under way or done."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from convscope.client.cli.collection_work import check_result_folder, finish_work
from convscope.client.cli.connection import AsJson, Server, Timeout, connect
from convscope.client.cli.following import finish, follow, in_words, interruptible
from convscope.client.cli.job_options import Destination, check_output
from convscope.client.job_events import StateChange
from convscope.client.job_info import COLLECTION_KINDS, JobInfo
from convscope.client.job_plans import KINDS, STATES

Name = Annotated[str, typer.Argument(help="A job's name, with jobs/ or without.")]
LARGEST_PAGE = 1000
WIDEST = 200

app = typer.Typer(help="List, follow, end and read long work.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None, typer.Option("--state", help=f"Only these; as often as needed, of: {', '.join(STATES)}.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help=f"Only these, of: {', '.join(KINDS)}.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
    server: Server = None,
    timeout: Timeout = None,
) -> None:
    """List jobs, the newest first."""
    with connect(server, timeout) as client:
        every = client.jobs(states=state or (), kinds=kind or (), page_size=min(limit, LARGEST_PAGE))
        found = list(islice(every, limit))
    if as_json:
        print(json.dumps([asdict(info) for info in found], default=datetime.isoformat))
    else:
        # A pipe has no width, and a name that is cut off is of no use.
        Console(width=None if sys.stdout.isatty() else WIDEST).print(_table(found))


@app.command("watch")
def watch(name: Name, server: Server = None, timeout: Timeout = None) -> None:
    """Follow a job to its end; the status is 0 where it succeeds."""
    with connect(server, timeout) as client:
        job = client.job(name)
        print(in_words(job.info()), flush=True)

        def work() -> None:
            follow(job, told=_print_change)
            # Raises what it ended with, unless it has succeeded.
            job.wait()

        interruptible(client, [job], work)


@app.command("cancel")
def cancel(name: Name, server: Server = None, timeout: Timeout = None) -> None:
    """Ask for a job's end."""
    with connect(server, timeout) as client:
        job = client.job(name)
        job.cancel()
        print(in_words(job.info()))


@app.command("result")
def result(name: Name, output: Destination = None, server: Server = None, timeout: Timeout = None) -> None:
    """Write what a job has made, when it has ended; of a job on a collection print what it has found."""
    # A map, an evaluation and a prior go into a folder.
    if output is not None and output.suffix:
        check_output(output)
    with connect(server, timeout) as client:
        job = client.job(name)
        if job.info().kind in COLLECTION_KINDS:
            check_result_folder(output)
            finish_work(client, client.collection_job(name), output)
        else:
            finish(client, job, output)


@app.command("delete")
def delete(name: Name, server: Server = None, timeout: Timeout = None) -> None:
    """Delete a job and its files."""
    with connect(server, timeout) as client:
        job = client.job(name)
        job.delete()
        print(f"{job.name} is deleted")


def _print_change(change: StateChange) -> None:
    attempt = f", attempt {change.attempt}" if change.attempt > 1 else ""
    why = f": {change.message}" if change.message else ""
    print(f"{change.state}{attempt}{why}", flush=True)


def _table(found: list[JobInfo]) -> Table:
    name = Column("job", no_wrap=True, min_width=len("jobs/") + 32)
    whole = [Column(title, no_wrap=True) for title in ("kind", "state", "steps", "created")]
    table = Table(name, *whole, "model", "", box=None, pad_edge=False)
    for info in found:
        steps = f"{info.step}/{info.total}" if info.total else ""
        created = f"{info.created.astimezone():%Y-%m-%d %H:%M:%S}" if info.created else ""
        # As text: an error may have brackets in it.
        words = (info.name, info.kind, info.state, steps, created, info.model, info.error)
        table.add_row(*(Text(word) for word in words))
    return table
