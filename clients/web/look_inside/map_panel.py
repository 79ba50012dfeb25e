"""A map of a collection: pictures that are alike for the network lie near each other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from html import escape
from typing import Any

import gradio as gr

from convscope.client import CollectionMap
from convscope.client.errors import FailedPrecondition
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_lines
from convscope.web.data_urls import data_url, npy_url
from convscope.web.look_inside.collection_panel import unindexed
from convscope.web.look_inside.job_bar import JobBar
from convscope.web.snippet import snippet
from convscope.web.tiles import Download, downloads, drawing, heading, tile_view

METHODS = [("t-SNE", "tsne"), ("PCA", "pca")]
MOST_BYTES = 24 * 1024 * 1024
"""A page that is larger is not looked at here: it would travel inside a message."""


class MapPanel:
    """A button that starts it, and the map to look around in."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        with gr.Row(equal_height=True):
            self.method = gr.Radio(METHODS, value="tsne", label="Laid out by", elem_id="map-method")
            self.button = gr.Button(
                "Draw the map",
                variant="primary",
                size="md",
                scale=0,
                min_width=240,
                elem_id="draw-map",
                elem_classes="beside",
            )
        self._bar = JobBar(cluster, "map")
        self._view = tile_view("map")
        self.code = code_lines("Map")
        self.outputs = [self._view, self.code, *self._bar.outputs]

    async def start(self, collection: str | None, model: str | None, method: str) -> AsyncGenerator[Any, None]:
        """A job, followed to its end."""
        if not collection or not model:
            raise FailedPrecondition("choose a model and a collection")
        asked = await self._cluster.client.collection(collection)
        index = next((one for one in asked.indexes if one.model == model), None)
        if index is None:
            raise FailedPrecondition(unindexed(asked, model))
        job = await asked.project(index=index, method=method)
        lines = [
            f"photos = client.collection({collection!r})",
            f"found = photos.project(index={index.name!r}, method={method!r}).result()",
            'found.save("map")  # a picture, a page to look around in, coordinates',
        ]
        yield gr.skip(), snippet(self._cluster.address, lines), *[gr.skip()] * len(self._bar.outputs)
        async with aclosing(self._bar.follow(job, f"A map of {asked.display_name}")) as steps:
            async for step in steps:
                drawn = gr.skip()
                if step.result is not None:
                    drawn = await asyncio.to_thread(_drawn, step.result, asked.display_name)
                yield drawn, gr.skip(), *step.bar


def _drawn(made: CollectionMap, name: str) -> str:
    picture = data_url(made.files["map.png"], "image/png")
    offered = [Download("map.png", picture, "PNG"), Download("coordinates.npy", npy_url(made.coordinates), "NPY")]
    frame = ""
    if len(made.page) <= MOST_BYTES:
        page = made.page.decode()
        size = 'width="100%" height="500"'
        frame = (
            f'<iframe title="Map to look around in" {size} sandbox="allow-scripts" srcdoc="{escape(page)}"></iframe>'
        )
        offered.append(Download("map.html", data_url(made.page, "text/html"), "Page"))
    return (
        heading(name, str(made))
        + frame
        + heading("On a grid", "each picture at the free place nearest to its own")
        + drawing(picture, f"{name}: {made}")
        + downloads(*offered)
    )
