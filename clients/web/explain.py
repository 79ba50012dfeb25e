"""The tab Explain: what the model says, and which pixels make it say so."""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from convscope.client import Model
from convscope.client.methods import PARAMETER_FIELDS
from convscope.web.cluster import Cluster, grids
from convscope.web.explaining import COUNTERFACTUAL, Question, explained
from convscope.web.figures import figures
from convscope.web.sentences import spoken, spoken_stream
from convscope.web.subject import Subject
from convscope.web.titles import choices, title
from convscope.web.viewer import viewer

METHODS = ["grad_cam"]
MOST_METHODS = 8


class Explain:
    """Its components, and what happens when somebody uses them."""

    def __init__(self, cluster: Cluster, subject: Subject) -> None:
        """Lay it out; inside a gr.Tab."""
        self._cluster = cluster
        self._subject = subject
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                self._said = gr.Radio(label="What the model says; choose what to explain", choices=[], elem_id="said")
                self._other = gr.Dropdown(label="Or any other class", choices=[], elem_id="other")
                self._methods = gr.Dropdown(
                    label="Methods, side by side",
                    choices=_methods(),
                    value=METHODS,
                    multiselect=True,
                    max_choices=MOST_METHODS,
                    elem_id="methods",
                )
                self._layer = gr.Dropdown(label="Layer, for methods that look at one", choices=[], elem_id="layer")
            with gr.Column(scale=5, min_width=300):
                self._progress = gr.HTML(elem_id="explain-progress")
                self._viewer = viewer("Explanations")
                with gr.Accordion("The lines of Python that give the same", open=False):
                    self._code = gr.Code(language="python", show_label=False, interactive=False, container=False)
        with gr.Accordion("Was it wrong? What it said against what it is", open=False):
            self._truth = gr.Dropdown(label="What it really is", choices=[], elem_id="truth")
            self._failure = viewer("What was said, and the truth")
        self._wire()

    def _wire(self) -> None:
        picture, model = self._subject.picture, self._subject.model
        answer = [self._viewer, self._progress, self._code]
        question = [picture, model, self._methods, self._layer]
        always: Any = {"trigger_mode": "always_last", "show_progress": "hidden"}
        described = model.change(
            self.describe, [model], [self._layer, self._other, self._truth], show_progress="minimal"
        )
        described.then(self.classify, [picture, model], [self._said, self._other, self._truth], show_progress="hidden")
        top = [
            described.then(self.explain, question, answer, show_progress="hidden"),
            picture.change(self.explain, question, answer, **always),
        ]
        picture.change(self.classify, [picture, model], [self._said, self._other, self._truth], **always)
        # One of the two is chosen.
        self._said.input(lambda: None, None, self._other, **always)
        self._other.input(lambda: None, None, self._said, **always)
        gr.on(
            [self._said.input, self._other.input, self._methods.change, self._layer.input],
            self.explain,
            [*question, self._said, self._other],
            answer,
            cancels=top,
            **always,
        )
        self._truth.input(
            self.analyze, [picture, model, self._methods, self._layer, self._truth], [self._failure], **always
        )

    @property
    def _ask(self) -> Any:
        return self._cluster.client

    async def describe(self, name: str | None) -> Any:
        """A model has been chosen: its layers and classes."""
        if not name:
            return [gr.skip()] * 3
        model = await spoken(self._cluster.loaded)(name)
        layers = [layer.name for layer in grids(model)]
        labels = _labels(model)
        return (
            gr.update(choices=[(f"its own: {model.suggested_layer}", ""), *layers], value=""),
            gr.update(choices=labels, value=None),
            gr.update(choices=labels, value=None),
        )

    async def classify(self, picture: str | None, model: str | None) -> Any:
        """A picture has been chosen: the classes to pick from."""
        if not picture or not model:
            return gr.update(choices=[], value=None), gr.update(value=None), gr.update(value=None)
        best = await spoken(self._ask.classify)(picture, model=model)
        offered = [(str(one), one.index) for one in best]
        return gr.update(choices=offered, value=best[0].index), gr.update(value=None), gr.update(value=None)

    async def explain(
        self,
        picture: str | None,
        model: str | None,
        methods: list[str],
        layer: str | None,
        said: int | None = None,
        other: int | None = None,
    ) -> AsyncIterator[Any]:
        """Everything that changes what is asked."""
        if not picture or not model or not methods:
            yield None, "", ""
            return
        target = said if other is None else other
        question = Question(picture, model, tuple(methods), target, layer or None)
        code = question.lines(self._cluster.address)
        async for stage in spoken_stream(explained)(self._cluster, question):
            drawn = gr.skip() if stage.answers is None else figures(stage.answers)
            yield drawn, stage.progress, code

    async def analyze(
        self, picture: str | None, model: str | None, methods: list[str], layer: str | None, truth: int | None
    ) -> Any:
        """The truth has been named."""
        if not picture or not model or truth is None:
            return None
        method = methods[0].partition(":")[0] if methods else "grad_cam"
        parameters = {"layer": layer or None} if "layer" in PARAMETER_FIELDS[method] else {}
        found = await spoken(self._ask.analyze_failure)(picture, truth, model=model, method=method, **parameters)
        return figures([found.said, found.truth], ["said", "truth"])


def _methods() -> list[tuple[str, str]]:
    against = (f"{title('grad_cam')}, counterfactual", f"grad_cam:{COUNTERFACTUAL}")
    offered = choices()
    place = [method for _, method in offered].index("grad_cam")
    return [*offered[: place + 1], against, *offered[place + 1 :]]


def _labels(model: Model) -> list[tuple[str, int]]:
    return [(label, index) for index, label in enumerate(model.labels)]
