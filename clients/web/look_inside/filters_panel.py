"""The weights that a convolution has learned."""

import asyncio
from typing import Any, Literal

import gradio as gr

from convscope.client import Filters
from convscope.client.errors import InvalidArgument
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_lines
from convscope.web.data_urls import npy_url, png_url
from convscope.web.sentences import sentence
from convscope.web.snippet import snippet
from convscope.web.tiles import Download, downloads, drawing, remark, tile_view

Normalization = Literal["each", "common"]
NORMALIZATIONS = [("Each filter by itself", "each"), ("All alike", "common")]
WITHOUT = "LAYER_WITHOUT_FILTERS"
FILTERS, INPUTS = 48, 24
"""How many are drawn at first."""


class FiltersPanel:
    """The grid of a convolution's filters."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        with gr.Row(equal_height=True):
            self.normalization = gr.Dropdown(NORMALIZATIONS, value="each", label="Contrast", elem_id="normalization")
            self.most = gr.Number(FILTERS, label="Filters at most", minimum=1, precision=0, elem_id="filters-most")
            self.inputs = gr.Number(
                INPUTS, label="Input channels at most", minimum=1, precision=0, elem_id="inputs-most"
            )
        self._view = tile_view("filters")
        self.code = code_lines("Filters")
        self.outputs = [self._view, self.code]

    async def ask(
        self, layer: str | None, model: str | None, normalization: Normalization, most: int | None, inputs: int | None
    ) -> Any:
        """layer: None: nobody looks."""
        if not layer or not model:
            return gr.skip()
        try:
            known = await self._cluster.client.filters(model, layer, outputs=[0], inputs=[0])
        except InvalidArgument as error:
            if error.reason != WITHOUT:
                raise
            return remark(sentence(error)), ""
        outputs, within = (
            range(min(most or FILTERS, known.output_count)),
            range(min(inputs or INPUTS, known.input_count)),
        )
        found = await self._cluster.client.filters(model, layer, outputs=outputs, inputs=within)
        drawn = await asyncio.to_thread(_drawn, found, normalization)
        lines = [
            f"filters = client.filters({model!r}, {layer!r}, outputs={outputs!r}, inputs={within!r})",
            f'filters.grid(normalization={normalization!r}).save("filters.png")',
            "filters.weights",
        ]
        return drawn, snippet(self._cluster.address, lines)


def _drawn(filters: Filters, normalization: Normalization) -> str:
    count, inputs, height, width = filters.weights.shape
    size = f"{height} x {width}"
    of = f"{count} of {filters.output_count} filters, {inputs} of {filters.input_count} input channels, {size}"
    name = f"filters-{filters.layer}"
    url = png_url(filters.grid(normalization=normalization))
    return (
        remark(f"{of}.")
        + drawing(url, f"Filters of {filters.layer}: {of}")
        + downloads(Download(f"{name}.png", url, "PNG"), Download(f"{name}.npy", npy_url(filters.weights), "NPY"))
    )
