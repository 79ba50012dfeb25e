"""The tab Look inside: what the layers of a network have learned, and what they answer to."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from convscope.client import Model
from convscope.web.cluster import Cluster, grids
from convscope.web.code_lines import code_accordion
from convscope.web.look_inside.activations_panel import ActivationsPanel
from convscope.web.look_inside.collection_panel import CollectionPanel
from convscope.web.look_inside.filters_panel import FiltersPanel
from convscope.web.look_inside.map_panel import MapPanel
from convscope.web.look_inside.neighbors_panel import NeighborsPanel
from convscope.web.look_inside.patches_panel import PatchesPanel
from convscope.web.look_inside.shown import opening, where_shown
from convscope.web.look_inside.visualization_panel import VisualizationPanel
from convscope.web.page_file import page_file
from convscope.web.sentences import spoken, spoken_stream
from convscope.web.subject import Subject

CHANNELS, FILTERS, NEIGHBORS = "channels", "filters-panel", "neighbors-panel"
MARK_CHOSEN = """(channel) => requestAnimationFrame(() => {
  for (const tile of document.querySelectorAll("#activations button[data-number]"))
    tile.setAttribute("aria-pressed", tile.dataset.number === String(channel));
})"""


class LookInside:
    """Its components, and what happens when somebody uses them."""

    def __init__(self, cluster: Cluster, subject: Subject) -> None:
        """Lay it out; inside a gr.Tab."""
        self._cluster = cluster
        self._subject = subject
        with _styled(), gr.Column(elem_id="inside"):
            self._opened = opening()
            self._described = gr.State(None)
            with gr.Row(equal_height=True):
                self._layer = gr.Dropdown(label="Layer", choices=[], min_width=260, elem_id="inside-layer")
                self._collection = CollectionPanel(cluster)
            self._collection.lay_out_details()
            with gr.Tabs(elem_id="inside-tabs"):
                with gr.Tab("Channels", id="channels"), gr.Column(elem_id=CHANNELS):
                    self._channels_opened = opening()
                    self._activations = ActivationsPanel(cluster)
                    with gr.Row():
                        with gr.Column(scale=3, min_width=280):
                            self._channel = gr.Number(None, label="Channel", minimum=0, precision=0, elem_id="channel")
                            self._patches = PatchesPanel(cluster)
                        with gr.Column(scale=2, min_width=280):
                            self._visualization = VisualizationPanel(cluster)
                    code_accordion(self._activations.code, self._patches.code, self._visualization.code)
                with gr.Tab("Filters", id="filters"), gr.Column(elem_id=FILTERS):
                    self._filters_opened = opening()
                    self._filters = FiltersPanel(cluster)
                    code_accordion(self._filters.code)
                with gr.Tab("Neighbours", id="neighbors"), gr.Column(elem_id=NEIGHBORS):
                    self._neighbors_opened = opening()
                    self._neighbors = NeighborsPanel(cluster)
                    code_accordion(self._neighbors.code)
                with gr.Tab("Map", id="map"):
                    self._map = MapPanel(cluster)
                    code_accordion(self._map.code)
        self._wire()

    def _wire(self) -> None:
        model, picture, layer, channel = self._subject.model, self._subject.picture, self._layer, self._channel
        collection, activations, filters = self._collection, self._activations, self._filters
        patches, neighbors, visualization, map_ = self._patches, self._neighbors, self._visualization, self._map
        always: Any = {"trigger_mode": "always_last", "show_progress": "hidden"}
        described = model.change(
            spoken(self.describe), [model, self._described], [layer, channel, self._described], **always
        )
        moved = layer.input(None, None, channel, js="() => null", **always)

        def listen(
            panel: str, ask: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any], *triggers: Any
        ) -> Callable[..., Any]:
            """Ask on these events, and where another layer or model is chosen. Gives what asks after something else."""
            how: Any = {
                "fn": spoken(ask), "inputs": [layer, model, *inputs], "outputs": outputs, "js": where_shown(panel),
                "show_progress": "hidden",
            }  # fmt: skip
            gr.on(triggers, trigger_mode="always_last", **how)
            for before in (described, moved):
                before.then(**how)
            return lambda before: before.then(**how)

        look = listen(
            "inside", collection.look, [collection.chosen], collection.outputs,
            self._opened.load, collection.again.click, collection.chosen.input,
        )  # fmt: skip
        listen(
            CHANNELS, activations.ask, [picture, activations.order, activations.limit, channel], activations.outputs,
            self._channels_opened.load, self._subject.path.change, activations.order.input, activations.limit.input,
        )  # fmt: skip
        find_patches = listen(
            CHANNELS, patches.ask, [channel, collection.chosen], patches.outputs,
            self._channels_opened.load, channel.change, collection.chosen.change,
        )  # fmt: skip
        listen(
            FILTERS, filters.ask, [filters.normalization, filters.most, filters.inputs], filters.outputs,
            self._filters_opened.load, filters.normalization.input, filters.most.change, filters.inputs.change,
        )  # fmt: skip
        find_neighbors = listen(
            NEIGHBORS, neighbors.ask, [collection.chosen, picture, neighbors.count, neighbors.metric],
            neighbors.outputs, self._neighbors_opened.load, self._subject.path.change, collection.chosen.change,
            neighbors.count.input, neighbors.metric.input,
        )  # fmt: skip

        activations.view.select(_number, None, channel, **always)
        # Also of tiles that were asked for before it was chosen and come behind.
        gr.on([channel.change, activations.view.change], None, [channel], None, js=MARK_CHOSEN)
        begin: Any = {"show_progress": "hidden"}
        visualization.button.click(
            spoken_stream(visualization.start), [layer, model, channel], visualization.outputs, **begin
        )
        map_.button.click(spoken_stream(map_.start), [collection.chosen, model, map_.method], map_.outputs, **begin)
        for button, begun, named in (
            (collection.create_button, collection.create, collection.name),
            (collection.add_button, collection.add, collection.chosen),
        ):
            look(button.click(spoken_stream(begun), [named, collection.files], collection.uploaded, **begin))
        indexed = collection.index_button.click(
            spoken_stream(collection.index), [layer, model, collection.chosen], collection.indexed, **begin
        )
        for after in (look, find_patches, find_neighbors):
            after(indexed)

    async def describe(self, name: str | None, described: str | None) -> Any:
        """A model has been chosen: its layers; none of its channels is chosen yet. On a busy machine the list says so
        a second time, late, when a channel may have been chosen already; then all stays."""
        if not name or name == described:
            return gr.skip()
        model = await self._cluster.loaded(name)
        offered = [(f"{one.name}, {' x '.join(map(str, one.output_shape))}", one.name) for one in grids(model)]
        return gr.update(choices=offered, value=_first(model)), None, name


def _styled() -> gr.HTML:
    """What stands in it is laid out by this tab's styles."""
    return gr.HTML(
        html_template="@children",
        css_template=page_file("look_inside/look_inside.css"),
        js_on_load=None,
        apply_default_css=False,
    )


def _first(model: Model) -> str:
    """The first convolution, of which there is most to see; else the model's own choice."""
    return next((one.name for one in grids(model) if "conv" in one.type.lower()), model.suggested_layer)


def _number(event: gr.EventData) -> int:
    """Of the tile that was chosen."""
    return int(event.number)
