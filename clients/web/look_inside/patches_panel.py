"""What a channel looks for, in the pictures of a collection."""

import asyncio
from typing import Any

import gradio as gr

from convscope.client import Patches
from convscope.client.errors import FailedPrecondition, InvalidArgument
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_lines
from convscope.web.data_urls import data_url, png_url
from convscope.web.look_inside.collection_panel import unindexed
from convscope.web.sentences import sentence
from convscope.web.snippet import snippet
from convscope.web.tiles import Download, Tile, downloads, heading, remark, tile_view, tiles

SHARP = 48
"""Patches of fewer pixels on their longer sides are shown by their pixels."""


class PatchesPanel:
    """The patches to which the chosen channel answers most."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        self._view = tile_view("patches")
        self.code = code_lines("Maximal patches")
        self.outputs = [self._view, self.code]

    async def ask(self, layer: str | None, model: str | None, channel: float | None, collection: str | None) -> Any:
        """layer: None: nobody looks."""
        if not layer or not model:
            return gr.skip()
        if channel is None:
            return remark("Choose a channel to see what it looks for."), ""
        if not collection:
            return remark("Choose a collection to see the patches to which the channel answers most."), ""
        number = int(channel)
        asked = await self._cluster.client.collection(collection)
        if not any(index.model == model and layer in index.layers for index in asked.indexes):
            return remark(unindexed(asked, model, layer)), ""
        try:
            found = await asked.find_patches(layer, number, model=model)
        except (FailedPrecondition, InvalidArgument) as error:
            return remark(sentence(error)), ""
        lines = [
            f"photos = client.collection({collection!r})",
            f"patches = photos.find_patches({layer!r}, {number}, model={model!r})",
            'patches.grid().save("patches.png")',
        ]
        drawn = await asyncio.to_thread(_drawn, found, asked.display_name)
        return drawn, snippet(self._cluster.address, lines)


def _drawn(patches: Patches, collection: str) -> str:
    title = heading(f"What channel {patches.channel} looks for", f"in {patches.image_count} images of {collection}")
    inexact = "" if patches.exact else "What a place sees is not known exactly here: the whole pictures are shown."
    shown = [
        Tile(data_url(one.png, "image/png"), f"{one.activation:.4g}", f"image {one.number}: {one.file_name}")
        for one in patches
    ]
    small = all(one.crop is not None and max(one.crop.size) < SHARP for one in patches)
    file = Download(f"patches-{patches.layer}-{patches.channel}.png", png_url(patches.grid()), "PNG")
    return title + remark(inexact) + tiles("Maximal patches", shown, sharp=small) + downloads(file)
