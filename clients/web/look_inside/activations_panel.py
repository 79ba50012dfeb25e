"""What the channels of a layer answer to the picture."""

import asyncio
from typing import Any

import gradio as gr
from PIL import Image

from convscope.client import Activation
from convscope.engine.imaging.tiles import levels, to_colors
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_lines
from convscope.web.data_urls import npy_url, png_url
from convscope.web.snippet import snippet
from convscope.web.tiles import Download, Tile, downloads, remark, tile_view, tiles

ORDERS = [("Largest maximum", "maximum"), ("Largest mean", "mean"), ("By number", "index")]
LIMITS = [12, 24, 48]
COLORS = "viridis"


class ActivationsPanel:
    """Tiles of channels; `view.select` tells one that was chosen."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        with gr.Row(equal_height=True):
            self.order = gr.Dropdown(ORDERS, value="maximum", label="Order of the channels", elem_id="order")
            self.limit = gr.Dropdown(LIMITS, value=24, label="At most", elem_id="limit")
        self.view = tile_view("activations")
        self.code = code_lines("Activations")
        self.outputs = [self.view, self.code]

    async def ask(
        self, layer: str | None, model: str | None, picture: str | None, order: str, limit: int, channel: float | None
    ) -> Any:
        """layer: None: nobody looks. channel: the one that is chosen."""
        if not layer or not model:
            return gr.skip()
        if not picture:
            return remark("Choose a picture to see what the layer answers to it."), ""
        (activation,) = await self._cluster.client.activations(
            picture, model=model, layers=layer, order=order, limit=limit, top_k=1
        )
        drawn = await asyncio.to_thread(_drawn, activation, order, channel)
        call = f'"picture.jpg", model={model!r}, layers={layer!r}, order={order!r}, limit={limit}'
        lines = [f"(answer,) = client.activations({call})", 'answer.grid().save("activations.png")', "answer.values"]
        return drawn, snippet(self._cluster.address, lines)


def _drawn(activation: Activation, order: str, channel: float | None) -> str:
    places = activation.values.reshape(len(activation.values), -1)
    values = places.mean(axis=1) if order == "mean" else places.max(axis=1)
    colors = to_colors(levels(activation.values, "each", even=None), COLORS)
    word = "mean" if order == "mean" else "max"
    shown = [
        Tile(png_url(Image.fromarray(color)), f"Channel {number}", f"{word} {value:.4g}", number)
        for number, value, color in zip(activation.channels, values, colors, strict=True)
    ]
    height, width = activation.values.shape[1:]
    of = f"{len(shown)} of {activation.channel_count} channels, {height} x {width} places. Choose one to look into it."
    name = f"activations-{activation.layer}"
    return (
        remark(of)
        + tiles("Channels", shown, chosen=None if channel is None else int(channel), sharp=True)
        + downloads(
            Download(f"{name}.png", png_url(activation.grid()), "PNG"),
            Download(f"{name}.npy", npy_url(activation.values), "NPY"),
        )
    )
