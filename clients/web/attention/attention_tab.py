"""The tab Where people look: a game that keeps where people had to look for an answer, beside where a network does."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from convscope.client import Answer, AsyncCollection, Attribution
from convscope.client.collection_info import in_number
from convscope.client.errors import ClientError
from convscope.web.attention.outcome import outcome, outcome_view
from convscope.web.attention.questions import Questions, asking, questions
from convscope.web.attention.rubbed import rubbed
from convscope.web.attention.rubbing import rubbing, rubbing_value
from convscope.web.attention.saved import Saved, save
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_accordion, code_lines
from convscope.web.look_inside.job_bar import JobBar
from convscope.web.look_inside.shown import opening, where_shown
from convscope.web.page_file import page_file
from convscope.web.sentences import sentence, spoken, spoken_stream
from convscope.web.snippet import snippet
from convscope.web.subject import Subject
from convscope.web.tiles import remark, tile_view

MADE = 24
"""Pictures with questions that are made where there are none."""
METHOD = "grad_cam"
NO_QUESTIONS = "Nothing is asked about the pictures of any collection yet. Have some made, or annotate your own."
NO_NETWORK = "Choose a model that answers questions, as shapes_vqa does, and see where it looks."
# Whoever came by the keyboard goes on from the button that is there now.
TO_NEXT = """() => requestAnimationFrame(() => {
  const button = document.getElementById("attention-next");
  if (document.activeElement === document.body) button?.focus({ preventScroll: true });
})"""


class Attention:
    """Its components, and what happens when somebody uses them."""

    def __init__(self, cluster: Cluster, subject: Subject) -> None:
        """Lay it out; inside a gr.Tab."""
        self._cluster = cluster
        self._subject = subject
        with _styled(), gr.Column(elem_id="attention"):
            self._opened = opening()
            self._again = gr.Button("Refresh", size="sm", elem_id="attention-refresh")
            self._chosen = gr.Dropdown(
                label="Collection with questions", choices=[], buttons=[self._again], elem_id="attention-collection"
            )
            with gr.Row(elem_classes="in-line"):
                self._hint = tile_view("attention-hint")
                self._make = gr.Button(
                    "Make pictures with questions", visible=False, variant="primary", scale=0, min_width=340
                )
            self._bar = JobBar(cluster, "attention")
            self._asked = gr.Textbox(visible="hidden")
            # Another value each time that a question is to be asked by itself.
            self._turn = gr.Textbox(visible="hidden")
            self._rubbing = rubbing("rubbing")
            self._outcome = outcome_view("attention-outcome")
            with gr.Row(elem_classes="next"):
                self._next = gr.Button(
                    "Next question", visible=False, variant="primary", scale=0, min_width=200, elem_id="attention-next"
                )
            self._code = code_lines("Where people look")
            code_accordion(self._code)
        self._wire()

    def _wire(self) -> None:
        model, chosen, asked = self._subject.model, self._chosen, self._asked
        # What has no part in an event is none of its outputs: an answer that leaves a component as it is may undo what
        # another has just told it.
        question = [self._rubbing, asked, self._hint, self._outcome, self._next]
        answered = [self._rubbing, self._outcome, self._next, self._code]
        quiet: Any = {"show_progress": "hidden"}
        # Beside those that stream: of two on one stream, the one that ends may close it before the other is answered.
        at_once: Any = {**quiet, "queue": False}
        look: Any = {
            "fn": spoken(self.look), "inputs": [model, chosen, asked],
            "outputs": [chosen, self._make, self._hint, self._turn], "js": where_shown("attention"), **at_once,
        }  # fmt: skip
        gr.on([self._opened.load, self._again.click, model.change], trigger_mode="always_last", **look)
        made = self._make.click(spoken_stream(self.make), None, self._bar.outputs, **quiet)
        made.then(**look)
        saved = self._rubbing.submit(spoken_stream(self.save), [model], answered, trigger_mode="once", **quiet)
        saved.then(spoken(self.count), [chosen], [self._hint], **at_once)
        self._outcome.change(None, None, None, js=TO_NEXT)
        # What was still looked for has its question no more.
        others: Any = {"outputs": question, "cancels": saved, "trigger_mode": "always_last", **at_once}
        ask_another = spoken(self.ask_another)
        self._rubbing.skip(ask_another, [chosen, asked], **others)
        self._next.click(ask_another, [chosen, asked], **others)
        gr.on([chosen.input, self._turn.change], ask_another, [chosen], **others)

    async def look(self, model: str | None, chosen: str | None, asked: str) -> Any:
        """Which collections there are. model: None: nobody looks. asked: a question that is under way stays."""
        if not model:
            return gr.skip()
        known = await asking(self._cluster)
        one = next((one for one in known if one.name == chosen), known[0] if known else None)
        offered = [(_title(other), other.name) for other in known]
        collections = gr.update(choices=offered, value=one.name if one else None), gr.update(visible=not known)
        if one is None:
            return *collections, remark(NO_QUESTIONS), uuid.uuid4().hex
        turn = gr.skip() if asked and one.name == chosen else uuid.uuid4().hex
        return *collections, await self.count(one.name), turn

    async def count(self, chosen: str | None) -> str:
        """How far a collection is."""
        return _far(await questions(await self._cluster.client.collection(chosen))) if chosen else ""

    async def make(self) -> AsyncGenerator[Any, None]:
        """A collection of pictures of the small world, with a question about each."""
        collection = await self._cluster.client.create_collection("Made shapes")
        made = None
        try:
            job = await collection.import_shapes("vqa", MADE)
            async with aclosing(self._bar.follow(job, f"Making {in_number(MADE, 'picture')} with questions")) as steps:
                async for step in steps:
                    made = step.result or made
                    yield step.bar
        except ClientError:
            await collection.delete()
            raise
        if made is None:  # somebody has cancelled it
            await collection.delete()

    async def ask_another(self, chosen: str | None, asked: str = "") -> Any:
        """The next question of a collection. asked: the one before."""
        nothing = None, "", remark(NO_QUESTIONS), "", gr.update(visible=False)
        if not chosen:
            return nothing
        collection = await self._cluster.client.collection(chosen)
        every = await questions(collection)
        info = every.after(asked)
        if info is None or not isinstance(info.target, Answer):
            return nothing
        picture = await collection.image(info.image_number)
        value = await asyncio.to_thread(rubbing_value, collection.name, info, info.target, picture)
        return value, info.id, _far(every), "", gr.update(visible=False)

    async def save(self, event: gr.EventData, model: str | None) -> AsyncGenerator[Any, None]:
        """Keep where somebody looked, and tell whether he was right; then where the network looks."""
        work = rubbed(event)
        saved = await save(await self._cluster.client.collection(work.collection), work)
        code = snippet(self._cluster.address, saved.lines())
        words = f"Asking {model} where it looks ..." if model else NO_NETWORK
        yield await self._answered(saved, None, words, code)
        if not model:
            return
        try:
            network = await self._network(saved, model)
        except ClientError as error:  # what is kept stays kept
            yield await self._answered(saved, None, sentence(error), code)
            return
        if network is None:
            yield await self._answered(saved, None, NO_NETWORK, code)
            return
        yield await self._answered(saved, network, "", snippet(self._cluster.address, saved.lines(model), "Answer"))

    async def _answered(self, saved: Saved, network: Attribution | None, words: str, code: str) -> Any:
        shown = await asyncio.to_thread(outcome, saved, network, words)
        return None, shown, gr.update(visible=True), code

    async def _network(self, saved: Saved, model: str) -> Attribution | None:
        """Where a model looks for the same answer; None of one that answers no questions."""
        client = self._cluster.client
        if (await client.model(model)).task != "vqa":
            return None
        return await client.attribute(saved.picture, model=model, method=METHOD, target=saved.explained)


def _far(every: Questions) -> str:
    return remark(f"{every.seen} of {in_number(len(every.infos), 'question')} have been looked at.")


def _styled() -> gr.HTML:
    """What stands in it is laid out as in the tab Look inside, some of whose parts it has."""
    return gr.HTML(
        html_template="@children",
        css_template=page_file("look_inside/look_inside.css") + page_file("attention/attention.css"),
        js_on_load=None,
        apply_default_css=False,
    )


def _title(collection: AsyncCollection) -> str:
    return f"{collection.display_name or collection.name}, {in_number(collection.annotation_count, 'annotation')}"
