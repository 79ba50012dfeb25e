"""A picture made for a channel: what would drive it most."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from convscope.client import Synthesis, Unit
from convscope.client.errors import FailedPrecondition
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_lines
from convscope.web.data_urls import data_url, png_url
from convscope.web.look_inside.job_bar import JobBar
from convscope.web.snippet import snippet
from convscope.web.tiles import Download, downloads, drawing, heading, remark, tile_view

PREVIEW_SECONDS = 0.5


class VisualizationPanel:
    """A button that starts it, and the picture as it comes about."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        self.button = gr.Button("Visualise this channel", variant="primary", size="md", elem_id="visualize")
        self._bar = JobBar(cluster, "visualize")
        self._view = tile_view("visualization")
        self.code = code_lines("Picture of the channel")
        self.outputs = [self._view, self.code, *self._bar.outputs]

    async def start(self, layer: str | None, model: str | None, channel: float | None) -> AsyncGenerator[Any, None]:
        """A job, followed to its end; it goes on where nobody looks any more."""
        if not layer or not model or channel is None:
            raise FailedPrecondition("choose a channel first: click one above, or type its number")
        unit = Unit(layer, int(channel))
        words = f"Channel {unit.channel} of {layer}"
        job = await self._cluster.client.visualize_channel(model=model, unit=unit, preview_seconds=PREVIEW_SECONDS)
        lines = [
            f"job = client.visualize_channel(model={model!r}, unit={unit!r})",
            'job.result().save("channel.png")',
        ]
        yield "", snippet(self._cluster.address, lines, "Unit"), *[gr.skip()] * len(self._bar.outputs)
        async with aclosing(self._bar.follow(job, words)) as steps:
            async for step in steps:
                drawn = gr.skip()
                if step.preview is not None:
                    drawn = heading(words, "so far") + drawing(png_url(step.preview), f"{words}, so far")
                elif step.result is not None:
                    drawn = _drawn(step.result)
                yield drawn, gr.skip(), *step.bar


def _drawn(made: Synthesis) -> str:
    one = made.made[0]
    url = data_url(made.files[one.name], "image/png")
    name = f"{one.title}.png".replace(" ", "-")
    return (
        heading(f"What {one.title} looks for", one.note)
        + drawing(url, f"A picture made for {one.title}")
        + remark(f"It is kept as {made.job.name}; the tab Dream finds it under that name.")
        + downloads(Download(name, url, "PNG"))
    )
