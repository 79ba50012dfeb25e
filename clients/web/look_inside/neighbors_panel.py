"""The pictures of a collection that are near to the picture: for the network, and pixel by pixel."""

import asyncio
from typing import Any

import gradio as gr

from convscope.client import Neighbor, NeighborComparison, Neighbors
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_lines
from convscope.web.data_urls import data_url, jpeg_url, png_url
from convscope.web.look_inside.collection_panel import unindexed
from convscope.web.snippet import snippet
from convscope.web.tiles import Download, Tile, downloads, heading, remark, tile_view, tiles

COUNTS = [5, 10, 20]
SIDE = 192
METRICS = [("Distance (l2)", "l2"), ("Angle (cosine)", "cosine"), ("Inner product", "inner_product")]


class NeighborsPanel:
    """Two rows of pictures, one for each way to compare."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        with gr.Row(equal_height=True):
            self.count = gr.Dropdown(COUNTS, value=5, label="How many", elem_id="neighbors-count")
            self.metric = gr.Dropdown(METRICS, value="l2", label="Feature vectors are compared by", elem_id="metric")
        self._view = tile_view("neighbors")
        self.code = code_lines("Neighbours")
        self.outputs = [self._view, self.code]

    async def ask(
        self, layer: str | None, model: str | None, collection: str | None, picture: str | None, count: int, metric: str
    ) -> Any:
        """layer: None: nobody looks; else it does not matter."""
        if not layer or not model:
            return gr.skip()
        if not collection:
            return remark("Choose a collection whose pictures are compared with this one."), ""
        if not picture:
            return remark("Choose a picture to see its neighbours."), ""
        asked = await self._cluster.client.collection(collection)
        if all(index.model != model for index in asked.indexes):
            return remark(unindexed(asked, model)), ""
        found = await asked.compare_neighbors(picture, k=count, metric=metric, model=model)
        call = f'"picture.jpg", k={count}, metric={metric!r}, model={model!r}'
        lines = [
            f"photos = client.collection({collection!r})",
            f'photos.compare_neighbors({call}).sheet().save("neighbors.png")',
        ]
        return await asyncio.to_thread(_drawn, found), snippet(self._cluster.address, lines)


def _drawn(found: NeighborComparison) -> str:
    query = found.query.copy()
    query.thumbnail((SIDE, SIDE))
    first = Tile(jpeg_url(query), "This picture")
    return (
        heading("Near for the network", f"feature vectors, {found.features.metric}")
        + tiles("Neighbours by feature vectors", [first, *_tiles(found.features)])
        + heading("Near pixel by pixel", f"scaled to 32 x 32, {found.pixels.metric}")
        + tiles("Neighbours pixel by pixel", [first, *_tiles(found.pixels)])
        + downloads(Download("neighbors.png", png_url(found.sheet()), "PNG"))
    )


def _tiles(neighbors: Neighbors) -> list[Tile]:
    return [Tile(data_url(one.jpeg, "image/jpeg"), str(one.prediction), _note(one)) for one in neighbors]


def _note(neighbor: Neighbor) -> str:
    return f"{neighbor.distance:.4g}, image {neighbor.number}: {neighbor.file_name}"
