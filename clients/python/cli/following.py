"""Follow a job on a terminal, and write what it has made."""

import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from convscope.client.client import Client
from convscope.client.job_events import Progress, StateChange
from convscope.client.job_info import JobInfo
from convscope.client.jobs import Job, LongWork
from convscope.client.synthesis import FILES, ORIGINAL, Synthesis, check_synthesis_destination

INTERRUPTED = 130
"""The exit status that a shell gives a command ended by Ctrl-C."""
LONGEST_NAME = 100
SHEETS = ("chain", "examples")
"""What is written beside a picture, where the job has it: tabby.chain.png."""
# What the steps of a kind of work are called.
UNITS = {
    "import_images": "files",
    "index_collection": "images",
    "evaluate_methods": "examples",
    "evaluate_attention": "examples",
}
T = TypeVar("T")
Told = Callable[[StateChange], None]


def finish(client: Client, job: Job, destination: Path | None) -> None:
    """Follow a job to its end, write its part that goes into the file, a picture into `destination_of` where none is
    named, its sheets beside it, and print what was made."""
    part = "images" if destination is None else check_synthesis_destination(destination)

    def work() -> Synthesis:
        follow(job)
        return job.result(parts=[part, *_beside(part, job.info())])

    made = interruptible(client, [job], work)
    path = destination or destination_of(made)
    made.save(path)
    sheets = [(path.with_name(f"{path.stem}.{one}.png"), FILES[one]) for one in SHEETS if FILES[one] in made.files]
    for place, name in sheets:
        place.write_bytes(made.files[name])
    print(f"{job.name}: {made} -> {', '.join(str(place) for place in (path, *(place for place, _ in sheets)))}")


def follow(job: LongWork, told: Told | None = None) -> None:
    """Show how far a job is until it has ended. told: called with every other state."""
    info = job.info()
    if info.over:
        return
    with bar(UNITS.get(info.kind, "steps")) as shown:
        line = shown.add_task(
            info.state, completed=info.step, total=info.total or None, told=in_numbers(info.loss, info.scores)
        )
        # What was before is in `info`; told again, it would only spoil the rate.
        for event in job.watch(after=info.last_event):
            if isinstance(event, Progress):
                numbers = in_numbers(event.loss, event.scores)
                shown.update(line, completed=event.step, total=event.total, told=numbers, description="running")
            elif isinstance(event, StateChange):
                shown.update(line, description=event.state)
                if told is not None:
                    told(event)


def interruptible(client: Client, jobs: Sequence[LongWork], work: Callable[[], T]) -> T:
    """Do what waits for jobs. Ctrl-C ends the command and not the jobs; says so, and how to go on."""
    names = ", ".join(job.name for job in jobs)
    name = jobs[0].name if len(jobs) == 1 else "JOB"
    how = f"`convscope jobs watch {name}` follows it, `convscope jobs cancel {name}` ends it"
    return ended_by_hand(client, work, f"{names} {'goes' if len(jobs) == 1 else 'go'} on; {how}")


def ended_by_hand(client: Client, work: Callable[[], T], told: str) -> T:
    """Do what takes long. Ctrl-C ends it, and `told` is printed."""
    # In a thread of its own, where no Ctrl-C arrives: one between two events of a watch can leave gRPC with a call that
    # it waits for for ever when the client is closed.
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            return working.result()
        except KeyboardInterrupt:
            client.close()
            wait([working])
            print(told, file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


def bar(unit: str = "steps") -> Bar:
    """Steps, or what they are called, rate, time left, loss and score; nothing where standard error is no terminal."""
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        # Else lines for a pipe would go to the terminal with the bar.
        redirect_stdout=sys.stdout.isatty(),
    )


class Rate(ProgressColumn):
    """Steps a second."""

    def __init__(self, unit: str) -> None:
        """unit: what steps are called."""
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} {self._unit}/s")


def in_numbers(loss: float | None, scores: tuple[float, ...]) -> str:
    """The loss and the best score, as far as they are known."""
    # Work that descends nothing tells 0.
    words = [f"loss {loss:.4g}"] if loss is not None and (loss or scores) else []
    return " ".join([*words, *([f"score {max(scores):.4g}"] if scores else [])])


def destination_of(made: Synthesis) -> Path:
    """A name in the current folder: that of the class, unit or layer, and how many more there are; of a dream that of
    the job."""
    if not any(one.title for one in made.made):
        return Path(f"{file_name(made.job.name.removeprefix('jobs/'))}.png")
    more = f"-and-{len(made.made) - 1}-more" if len(made.made) > 1 else ""
    return Path(f"{file_name(made.made[0].title)}{more}.png")


def file_name(label: str) -> str:
    """A label with nothing in it that a file system or a shell would mind."""
    return re.sub(r"[^\w.-]+", "_", label).strip("._-")[:LONGEST_NAME] or "picture"


def _beside(part: str, info: JobInfo) -> list[str]:
    """What else goes with a picture: its sheets, and the photograph, with which that of inverted layers begins."""
    if part != "images":
        return []
    left = {one.name for one in info.artifacts}
    photograph = info.kind == "invert_features" and ORIGINAL in left
    return [*(["original"] if photograph else []), *(one for one in SHEETS if FILES[one] in left)]


def in_words(info: JobInfo) -> str:
    """How a job stands, in a line."""
    steps = f", {info.step} of {info.total} steps" if info.total else ""
    asked = ", its end is asked for" if info.cancel_requested and not info.over else ""
    return f"{info.name} is {info.state}{steps}{asked}"
