"""How far a job is, with a way to end it."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import gradio as gr
from PIL import Image

from convscope.client.errors import Cancelled, ClientError
from convscope.client.job_events import Event, Preview, Progress
from convscope.web.cluster import Cluster
from convscope.web.progress import progress_line
from convscope.web.sentences import spoken

PACE_SECONDS = 0.2
"""Between two lines at the least."""


class Job(Protocol):
    """What all jobs of the client have."""

    name: str

    def watch(self) -> AsyncIterator[Event]: ...

    async def result(self) -> Any: ...


@dataclass(frozen=True)
class Step:
    """What is new of a job."""

    bar: list[Any]
    """For the bar's outputs."""
    preview: Image.Image | None = None
    """How its picture looks by now, where that is new."""
    result: Any = None
    """What it made, once it has ended well."""


class JobBar:
    """A line and a button, which are there while a job is under way. The job's name travels in a component."""

    def __init__(self, cluster: Cluster, elem_id: str) -> None:
        """Lay it out. elem_id: what the names of its components begin with."""
        self._cluster = cluster
        with gr.Row(elem_classes="in-line"):
            line = gr.HTML("", elem_id=f"{elem_id}-progress", min_width=200)
            cancel = gr.Button("Cancel", size="sm", visible=False, scale=0, min_width=96, elem_id=f"{elem_id}-cancel")
        name = gr.Textbox(visible=False)
        cancel.click(spoken(self.cancel), [name], None, show_progress="hidden")
        self.outputs = [line, name, cancel]

    async def cancel(self, name: str) -> None:
        """The job ends, and whoever follows it hears of that."""
        if name:
            job = await self._cluster.client.job(name)
            await job.cancel()

    async def follow(self, job: Job, words: str) -> AsyncGenerator[Step, None]:
        """Each step of a job. words: what it does. Raises ClientError where it fails; the bar is empty then."""
        there = gr.update(visible=True)  # with each step: on a busy machine the picture came and the button did not
        yield Step([progress_line(f"{words}: waiting for a worker"), job.name, there])
        last = 0.0
        try:
            async for event in job.watch():
                if isinstance(event, Progress) and monotonic() - last >= PACE_SECONDS:
                    last = monotonic()
                    line = progress_line(f"{words}: {event.step} of {event.total}", event.step, event.total)
                    yield Step([line, gr.skip(), there])
                elif isinstance(event, Preview):
                    yield Step([gr.skip(), gr.skip(), there], preview=event.picture)
            result = await job.result()
        except Cancelled:
            yield Step(_over(f"{words}: cancelled."))
        except ClientError:
            yield Step(_over())
            raise
        else:
            yield Step(_over(), result=result)


def _over(words: str = "") -> list[Any]:
    return [f'<p role="status">{words}</p>' if words else "", "", gr.update(visible=False)]
