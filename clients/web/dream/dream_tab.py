"""The tab Dream: pictures that a model makes, while they come about and afterwards."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from convscope.client import Recipe
from convscope.client.errors import ClientError
from convscope.web.cluster import Cluster, grids
from convscope.web.dream.dream_kinds import DREAM_KINDS
from convscope.web.dream.dream_order import CODE, DreamOrder
from convscope.web.dream.job_lists import job_lists
from convscope.web.dream.job_view import job_view, view_value
from convscope.web.dream.python_lines import fetching
from convscope.web.dream.shown_jobs import LEFT_OUT, ShownJob, query_of, shown_jobs
from convscope.web.dream.sources_panel import SourcesPanel
from convscope.web.look_inside.shown import opening
from convscope.web.page_file import page_file
from convscope.web.sentences import spoken
from convscope.web.subject import Subject

FIRST = "class"
PREVIEW_SECONDS = 1.0
USUAL_CLASS = "flamingo"
"""What is shown first of a model that knows it, as in the documentation."""
PARAMETERIZATION = "parameterization"
ADDRESS = page_file("dream/address.js")
OPENED = "() => location.search.slice(1)"


class Dream:
    """Its components, and what happens when somebody uses them. Which jobs are shown stands in the page's address."""

    def __init__(self, cluster: Cluster, subject: Subject) -> None:
        """Lay it out; inside a gr.Tab."""
        self._cluster = cluster
        self._subject = subject
        first = DREAM_KINDS[FIRST]
        self._opened = opening()
        self._kind = gr.Radio(
            label="What to make",
            choices=[(kind.title, kind.name) for kind in DREAM_KINDS.values()],
            value=FIRST,
            elem_id="dream-kind",
        )
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                self._target = gr.Dropdown(label="Class", choices=[], elem_id="dream-target")
                self._layer = gr.Dropdown(label="Layer", choices=[], visible=False, elem_id="dream-layer")
                self._channel = gr.Number(
                    label="Channel", value=0, precision=0, minimum=0, visible=False, elem_id="dream-channel"
                )
                self._all = gr.Button("All", size="sm", elem_id="dream-all-recipes")
                self._recipes = gr.Dropdown(
                    label="Recipe; several give a table",
                    choices=[first.recipe],
                    value=[first.recipe],
                    multiselect=True,
                    buttons=[self._all],
                    elem_id="dream-recipes",
                )
                self._sources = SourcesPanel(cluster)
                with gr.Row():
                    self._steps = _number(first.steps_label, first.steps, "dream-steps")
                    self._confidence = gr.Number(
                        label="Confidence", value=0, step=0.01, min_width=100, visible=False,
                        elem_id="dream-confidence",
                    )  # fmt: skip
                with gr.Row():
                    self._size = _number("Size (0: usual)", 0, "dream-size")
                    self._seed = _number("Seed", 0, "dream-seed")
                self._plan = gr.Markdown(elem_id="dream-plan")
                self._start = gr.Button("Start", variant="primary", elem_id="dream-start")
                with gr.Accordion("Start it in Python", open=False):
                    self._making = _code("dream-making")
            with gr.Column(scale=3, min_width=300):
                self._query = gr.Textbox(visible="hidden", elem_id="dream-query")
                self._view = job_view(cluster, "dream-view")
                with gr.Accordion("Fetch it in Python", open=False, visible=False) as self._fetch:
                    self._fetching = _code("dream-fetching")
        self._lists = job_lists(cluster, "dream-lists")
        self._wire()

    def _wire(self) -> None:
        hidden: Any = {"show_progress": "hidden"}
        picture, model, kind = self._subject.picture, self._subject.model, self._kind
        options: list[Any] = [
            self._target,
            self._recipes,
            self._layer,
            self._channel,
            self._steps,
            self._size,
            self._confidence,
            self._seed,
            self._sources.prior,
            self._sources.collection,
            self._sources.from_best,
        ]
        order = [kind, model, picture, *options]
        planned: Any = (self.plan, order, [self._plan, self._making])
        described = gr.State(None)
        known = model.change(
            self.describe, [model, kind, described], [self._target, self._recipes, self._layer, described], **hidden
        )
        usual = [self._target, self._recipes, self._layer, self._channel, self._steps, self._size, self._confidence]
        chosen = gr.State(FIRST)
        kind.change(self.choose, [kind, chosen], [*usual, chosen], **hidden)
        self._all.click(self.choices, [kind], [self._recipes], **hidden)
        sources: Any = {
            "fn": self.fit,
            "inputs": [model, kind, self._recipes, self._layer, self._sources.prior, self._sources.collection],
            "outputs": self._sources.outputs,
            **hidden,
        }
        # What there is for a model is known once that is loaded.
        known.then(**sources)
        gr.on(
            [self._opened.load, kind.change, self._recipes.change, self._layer.change],
            trigger_mode="always_last",
            **sources,
        )
        self._sources.wire()
        # All in one place, so that the last of them is told last.
        gr.on(
            [self._subject.path.change, model.change, kind.change, *(one.change for one in options)],
            *planned,
            trigger_mode="always_last",
            **hidden,
        )
        gr.on(None, None, None, [self._query], js=OPENED)
        self._start.click(self.start, order, [self._query], show_progress="minimal")
        self._lists.choose(_chosen, None, [self._query], **hidden)
        self._query.change(None, [self._query], None, js=ADDRESS)
        self._query.change(self.show, [self._query], [self._view, self._fetch, self._fetching], **hidden)

    async def describe(self, name: str | None, kind: str, described: str | None) -> Any:
        """A model has been chosen: its classes and layers; and the recipes that there are. Told a second time, late,
        nothing is undone that somebody has chosen since."""
        if not name or name == described:
            return [gr.skip()] * 4
        model = await spoken(self._cluster.loaded)(name)
        usual = model.labels.index(USUAL_CLASS) if USUAL_CLASS in model.labels else 0
        return (
            gr.update(choices=[(label, index) for index, label in enumerate(model.labels)], value=usual),
            gr.update(choices=await self.choices(kind)),
            gr.update(choices=[("one in the middle", ""), *(layer.name for layer in grids(model))], value=""),
            name,
        )

    async def choose(self, name: str, chosen: str) -> Any:
        """Another kind: the options that it needs, with what is usual for it. Told a second time, nothing is undone."""
        if name == chosen:
            return [gr.skip()] * 8
        kind = DREAM_KINDS[name]
        recipes: dict[str, Any] = {}
        if kind.purpose:
            recipes = {"choices": await self.choices(name), "value": [kind.recipe]}
        return (
            gr.update(visible="target" in kind.options),
            gr.update(visible="recipes" in kind.options, **recipes),
            gr.update(visible="layer" in kind.options),
            gr.update(visible="unit" in kind.options),
            gr.update(label=kind.steps_label, value=kind.steps),
            gr.update(visible="size" in kind.options),
            gr.update(visible="confidence" in kind.options, value=kind.confidence),
            name,
        )

    async def choices(self, kind: str) -> list[str]:
        """Names of all its recipes, in the order of their years."""
        return [one.name for one in await self._known(kind)]

    async def fit(self, name: str | None, kind: str, recipes: list[str] | None, *chosen: Any) -> Any:
        """What goes with a model and recipes: priors and collections."""
        coded = any(one.parameters.get(PARAMETERIZATION) == CODE for one in await self._known(kind, recipes or ()))
        return await self._sources.fit(name, kind, coded, *chosen)

    async def plan(self, *options: Any) -> tuple[str, str]:
        """What Start will do, in a sentence and in Python."""
        order = await self._order(*options)
        return order.sentence, order.lines(self._cluster.address)

    async def start(self, *options: Any) -> str:
        """Submit it, all of it or nothing; gives what is then shown."""
        return str(await spoken(self._submit)(await self._order(*options)))

    async def show(self, query: str) -> tuple[Any, Any, str]:
        """Jobs, which are looked at from now on; and how to fetch what they made."""
        shown = shown_jobs(query)
        names = [one.name for one in shown if one.name != LEFT_OUT]
        code = fetching(self._cluster.address, names, await self._kind_of(names)) if names else ""
        return view_value(shown), gr.update(visible=bool(names)), code

    async def _submit(self, order: DreamOrder) -> str:
        begun: dict[str, str] = {}
        client = self._cluster.client
        try:
            for recipe, call, arguments in order.calls():
                job = await getattr(client, call)(preview_seconds=PREVIEW_SECONDS, **arguments)
                begun[recipe] = job.name
        except ClientError:
            for name in begun.values():
                await (await client.job(name)).cancel()
            raise
        return query_of([ShownJob(begun.get(recipe, LEFT_OUT), recipe) for recipe in order.chosen])

    async def _known(self, kind: str, names: Sequence[str] | None = None) -> list[Recipe]:
        """Recipes of a kind, of these names or all."""
        purpose = DREAM_KINDS[kind].purpose
        try:
            known = await self._cluster.client.recipes()
        except ClientError:
            return []
        return [one for one in known if one.purpose == purpose and (names is None or one.name in names)]

    async def _order(self, kind: str, *options: Any) -> DreamOrder:
        model, picture, target, recipes, *others = options
        known = {one.name: one.parameters.get(PARAMETERIZATION, "") for one in await self._known(kind)}
        values: list[Any] = [model, picture, target, tuple(recipes or ()), *others, known]
        return DreamOrder(kind, *values)

    async def _kind_of(self, names: Sequence[str]) -> str:
        """Of the one job; empty where there are several, and where nobody knows."""
        if len(names) != 1:
            return ""
        try:
            return (await (await self._cluster.client.job(names[0])).info()).kind
        except ClientError:
            return ""


def _chosen(event: gr.EventData) -> str:
    return query_of([ShownJob(event.job)])


def _number(label: str, value: int, elem_id: str) -> gr.Number:
    return gr.Number(label=label, value=value, precision=0, min_width=100, elem_id=elem_id)


def _code(elem_id: str) -> gr.Code:
    return gr.Code(language="python", show_label=False, interactive=False, container=False, elem_id=elem_id)
