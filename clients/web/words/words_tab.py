"""The tab Words: what a network says of the picture, or answers to a question, and which pixels made it."""

import asyncio
from typing import Any

import gradio as gr

from convscope.client import Answer, Attribution, Classification, Model, SentenceAttribution
from convscope.web.cluster import Cluster
from convscope.web.code_lines import code_accordion, code_lines
from convscope.web.data_urls import jpeg_url, png_url
from convscope.web.explain.method_titles import SLOW, TITLES
from convscope.web.look_inside.shown import opening, where_shown
from convscope.web.sentences import spoken
from convscope.web.snippet import snippet
from convscope.web.subject import Subject
from convscope.web.tiles import Download, Tile, downloads, heading, remark, tile_view, tiles

ASKS = {"caption": "A caption of your own; empty: the network's", "vqa": "Question about the picture"}
UNLESS_STALE = "(view, asked, model, picture) => asked === `${model} ${picture?.path}` ? view : ''"
SIDE = 320
"""Of a drawing, pixels."""


class Words:
    """Its components, and what happens when somebody uses them."""

    def __init__(self, cluster: Cluster, subject: Subject) -> None:
        """Lay it out; inside a gr.Tab."""
        self._cluster = cluster
        self._subject = subject
        with gr.Column(elem_id="words"):
            self._opened = opening()
            with gr.Row(equal_height=True):
                self._sentence = gr.Textbox(label=ASKS["caption"], max_lines=1, scale=3, elem_id="sentence")
                offered = [(title, name) for name, title in TITLES.items() if name not in (*SLOW, "segment")]
                self._method = gr.Dropdown(offered, value="grad_cam", label="Method", elem_id="words-method")
                self._button = gr.Button("Ask", variant="primary", scale=0, min_width=120)
            self._hint = gr.HTML(elem_id="words-hint")
            self._view = tile_view("words-said")
            self._asked = gr.Textbox(visible="hidden")
            self._code = code_lines("Words")
            code_accordion(self._code)
        self._wire()

    def _wire(self) -> None:
        model, picture = self._subject.model, self._subject.picture
        how: Any = {"js": where_shown("words"), "show_progress": "hidden", "trigger_mode": "always_last"}
        others = [model.change, self._subject.path.change]
        gr.on(
            [self._opened.load, *others], spoken(self.describe), [model, picture], [self._sentence, self._hint], **how
        )
        # An answer is no answer to what is chosen now. That something was chosen may be told when it has been answered.
        gr.on(
            [*others, self._asked.change], None, [self._view, self._asked, model, picture], [self._view],
            js=UNLESS_STALE, show_progress="hidden",
        )  # fmt: skip
        gr.on(
            [self._button.click, self._sentence.submit, self._method.input],
            spoken(self.ask), [model, picture, self._sentence, self._method],
            [self._view, self._code, self._asked], show_progress="minimal", trigger_mode="always_last",
        )  # fmt: skip

    async def describe(self, name: str | None, picture: str | None) -> Any:
        """name: None: nobody looks."""
        if not name:
            return gr.skip()
        model = await self._cluster.loaded(name)
        return gr.update(label=ASKS.get(model.task, ASKS["vqa"])), remark(_hint(model, picture))

    async def ask(self, name: str | None, picture: str | None, sentence: str, method: str) -> Any:
        """Also tells of which model and picture it is."""
        if not name:
            return gr.skip()
        model, asked = await self._cluster.loaded(name), f"{name} {picture}"
        if model.task not in ASKS or not picture or (model.task == "vqa" and not sentence.strip()):
            return remark(_hint(model, picture)), "", asked
        if model.task == "caption":
            said = await self._caption(model, picture, sentence.strip() or None, method)
        else:
            said = await self._answer(model, picture, sentence, method)
        return *said, asked

    async def _caption(self, model: Model, picture: str, text: str | None, method: str) -> tuple[str, str]:
        found = await self._cluster.client.attribute_caption(picture, text, model=model.name, method=method)
        own = "" if text is None else f"{text!r}, "
        call = f'"picture.png", {own}model={model.name!r}, method={method!r}'
        lines = [f"words = client.attribute_caption({call})", 'words.contact_sheet().save("words.png")']
        return await asyncio.to_thread(_sentence, found), snippet(self._cluster.address, lines)

    async def _answer(self, model: Model, picture: str, question: str, method: str) -> tuple[str, str]:
        client = self._cluster.client
        answers, why = await asyncio.gather(
            client.answer(picture, question, model=model.name),
            client.attribute(picture, model=model.name, method=method, target=Answer(question)),
        )
        call = f'"picture.png", model={model.name!r}, method={method!r}, target=Answer({question!r})'
        lines = [
            f'answers = client.answer("picture.png", {question!r}, model={model.name!r})',
            f'client.attribute({call}).save("why.png")',
        ]
        return await asyncio.to_thread(_answered, answers, why), snippet(self._cluster.address, lines, "Answer")


def _hint(model: Model, picture: str | None) -> str:
    if model.task not in ASKS:
        return (
            f"{model.name} names classes. Choose one that captions or answers questions: shapes_captioner, shapes_vqa."
        )
    if not picture:
        return "Choose a picture. The networks of the small world know the made scene, the last of the samples."
    return "Ask for its caption." if model.task == "caption" else "Ask something about the picture."


def _sentence(found: SentenceAttribution) -> str:
    shown = [Tile(_drawing(one), one.target_name, _chance(one)) for one in found]
    return (
        heading(found.text, "each word with what made it")
        + tiles("Words", shown)
        + downloads(Download("words.png", png_url(found.contact_sheet()), "PNG"))
    )


def _answered(answers: Classification, why: Attribution) -> str:
    others = ", ".join(f"{one.label} {one.probability:.1%}" for one in answers[1:])
    return (
        heading(str(answers[0]), others)
        + tiles("Answer", [Tile(_drawing(why), why.target_name, why.sentence)])
        + downloads(Download("why.png", png_url(why.overlay()), "PNG"))
    )


def _chance(word: Attribution) -> str:
    return "" if word.target is None else f"{word.target.probability:.1%}"


def _drawing(one: Attribution) -> str:
    drawn = one.overlay()
    scale = max(1, SIDE // max(drawn.size))
    return jpeg_url(drawn.resize((drawn.width * scale, drawn.height * scale)))
