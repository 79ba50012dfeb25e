"""The tab Explain: what the model says, and which pixels make it say so."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from convscope.client import Model, Prediction
from convscope.client.methods import PARAMETER_FIELDS
from convscope.web.cluster import Cluster, grids
from convscope.web.code_lines import code_accordion, code_lines
from convscope.web.explain.explanation import COUNTERFACTUAL, Question, Stage, at_once, choice_title, one_by_one
from convscope.web.explain.figures import figures
from convscope.web.explain.method_titles import TITLES
from convscope.web.explain.viewer import viewer
from convscope.web.sentences import spoken, spoken_stream
from convscope.web.subject import Subject, sample

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
                # Another value with each quick answer: what is slow follows.
                self._turn = gr.Textbox(visible="hidden")
                self._viewer = viewer("Explanations")
                self._code = code_lines("Explanations")
                code_accordion(self._code)
        with gr.Accordion("Was it wrong? What it said against what it is", open=False):
            self._truth = gr.Dropdown(label="What it really is", choices=[], elem_id="truth")
            self._failure = viewer("What was said, and the truth")
        self._wire()

    def _wire(self) -> None:
        subject = self._subject
        picture, path, model, samples = subject.picture, subject.path, subject.model, subject.samples
        settings = [model, self._methods, self._layer]
        answer = [self._viewer, self._progress, self._turn]
        anew = [self._said, self._other, self._truth, *answer]
        asked = [picture, *settings, self._said, self._other]
        always: Any = {"trigger_mode": "always_last", "show_progress": "hidden"}
        # What takes its time comes behind, and ends when something else is asked: before that is, for what listens to
        # one event is done in the order in which it stands here.
        going_on = self._turn.change(self.go_on, asked, [path, self._code, self._viewer, self._progress], **always)
        changes = [self._said.input, self._other.input, self._methods.change, self._layer.input]
        gr.on([model.input, picture.input, samples.input, *changes], None, None, None, cancels=going_on)
        model.change(self.describe, [model], [self._layer, self._other, self._truth], show_progress="minimal")
        # By input: the first model that the page names may come behind what somebody has chosen meanwhile.
        model.input(self.explain_by_another, [picture, model, self._methods], [*anew, self._layer], **always)
        picture.input(self.explain, [picture, *settings], anew, **always)
        samples.input(self.explain_sample, [samples, *settings], [picture, *anew], **always)
        # One of the two is chosen.
        self._said.input(None, None, self._other, js="() => null", **always)
        self._other.input(None, None, self._said, js="() => null", **always)
        gr.on(changes, self.explain_again, asked, answer, **always)
        self._truth.input(self.analyze, [picture, *settings, self._truth], [self._failure], **always)

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

    async def explain_sample(self, name: str | None, model: str | None, methods: list[str], layer: str | None) -> Any:
        """A sample was clicked: it becomes the picture, and what is said of it comes with it, in one answer."""
        picture = sample(name)
        return picture, *await self.explain(picture, model, methods, layer)

    async def explain_by_another(self, picture: str | None, model: str | None, methods: list[str]) -> Any:
        """Another model, of the same picture; it knows no layer of the one before."""
        return *await self.explain(picture, model, methods, None), gr.update(value="")

    async def explain(self, picture: str | None, model: str | None, methods: list[str], layer: str | None) -> Any:
        """Another picture: the classes to pick from, and what quick methods say of the first."""
        # A picture may be there before the page knows the models.
        model = model or (await spoken(self._cluster.models)())[1]
        if not picture or not model:
            return gr.update(choices=[], value=None), *[gr.update(value=None)] * 2, None, "", _turn()
        question = Question(picture, model, tuple(methods), None, layer or None)
        found = await spoken(at_once)(self._cluster, question)
        if found:
            best: Sequence[Prediction] = next(iter(found.values())).predictions
        else:
            best = await spoken(self._cluster.client.classify)(picture, model=model)
        return *_classes(best), *await _shown(question, Stage(found, "")), _turn()

    async def explain_again(self, *asked: Any) -> Any:
        """The same picture, asked otherwise: what quick methods say."""
        question = _question(*asked)
        if question is None:
            return None, "", _turn()
        return *await _shown(question, Stage(await spoken(at_once)(self._cluster, question), "")), _turn()

    async def go_on(self, picture: str | None, *asked: Any) -> AsyncGenerator[Any]:
        """What slow methods say, too; and what is not looked at first: the lines of Python, and the other tabs, which
        now may know of the picture."""
        question = _question(picture, *asked)
        code = question.lines(self._cluster.address) if question else ""
        if question is None or not question.slow:
            yield picture or "", code, *[gr.skip()] * 2
            return
        async with aclosing(spoken_stream(one_by_one)(self._cluster, question)) as stages:
            async for stage in stages:
                yield picture or "", code, *await _shown(question, stage)

    async def analyze(
        self, picture: str | None, model: str | None, methods: list[str], layer: str | None, truth: int | None
    ) -> Any:
        """The truth has been named."""
        if not picture or not model or truth is None:
            return None
        method = methods[0].partition(":")[0] if methods else "grad_cam"
        parameters = {"layer": layer or None} if "layer" in PARAMETER_FIELDS[method] else {}
        found = await spoken(self._cluster.client.analyze_failure)(
            picture, truth, model=model, method=method, **parameters
        )
        return await asyncio.to_thread(figures, [found.said, found.truth], roles=["said", "truth"])


def _question(
    picture: str | None, model: str | None, methods: list[str], layer: str | None, said: int | None, other: int | None
) -> Question | None:
    if not picture or not model or not methods:
        return None
    return Question(picture, model, tuple(methods), said if other is None else other, layer or None)


async def _shown(question: Question, stage: Stage) -> tuple[Any, str]:
    """For the viewer and the line of progress."""
    if stage.answers is None:
        return gr.skip(), stage.progress
    if not stage.answers:
        return None, stage.progress
    titles = [question.titles[place] for place in stage.answers]
    # In a thread: a large picture takes long to decode, and everybody's events wait in this one.
    return await asyncio.to_thread(figures, list(stage.answers.values()), titles=titles), stage.progress


def _turn() -> str:
    """A value that was never there before."""
    return uuid.uuid4().hex


def _methods() -> list[tuple[str, str]]:
    """Every method, and behind Grad-CAM its counterfactual."""
    offered = list(TITLES)
    offered.insert(offered.index("grad_cam") + 1, f"grad_cam:{COUNTERFACTUAL}")
    return [(choice_title(choice), choice) for choice in offered]


def _classes(best: Sequence[Prediction]) -> list[Any]:
    """What there is to pick from, the best chosen; and neither another class nor a truth."""
    offered = [(str(one), one.index) for one in best]
    return [gr.update(choices=offered, value=best[0].index), gr.update(value=None), gr.update(value=None)]


def _labels(model: Model) -> list[tuple[str, int]]:
    return [(label, index) for index, label in enumerate(model.labels)]
