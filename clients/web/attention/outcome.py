"""What is shown once a question is answered: whether it was right, and where who looked."""

import gradio as gr
import numpy as np
from PIL import Image

from convscope.client import Attribution
from convscope.engine.imaging.overlay import overlay
from convscope.web.attention.answers import same
from convscope.web.attention.attention_map import png
from convscope.web.attention.questions import in_words
from convscope.web.attention.saved import Saved
from convscope.web.data_urls import data_url, jpeg_url
from convscope.web.explain.method_titles import TITLES
from convscope.web.page_file import page_file
from convscope.web.tiles import Download, Tile, downloads, heading, remark, tiles

SIDE = 512
"""Of a drawing, pixels."""


def outcome_view(elem_id: str) -> gr.HTML:
    """Its value is what outcome() gives."""
    return gr.HTML(
        "",
        css_template=page_file("tiles.css") + page_file("attention/outcome.css"),
        js_on_load=None,
        apply_default_css=False,
        elem_id=elem_id,
    )


def outcome(saved: Saved, network: Attribution | None, words: str) -> str:
    """network: where it looked; None where that is not known, which `words` then say why."""
    shown = [Tile(_person(saved), "You", f"{saved.part:.0%} of the picture made sharp")]
    if network is not None:
        note = f"{TITLES[network.method]} for {network.target_name}"
        shown.append(Tile(_large(network.overlay()), network.model, note))
    return (
        heading(verdict(saved.target.answer, saved.answer), in_words(saved.target))
        + tiles("Where you looked, and where a network does", shown)
        + remark(words)
        + downloads(Download(saved.name, data_url(png(saved.map), "image/png"), f"{saved.name}, as it was kept"))
    )


def verdict(truth: str | None, given: str) -> str:
    """Whether an answer is right. truth: None: not known."""
    if truth is None:
        return f"Kept: {given}. What is right, nobody has told"
    return f"Right: {truth}" if same(given, truth) else f"Not right: you said {given}, it is {truth}"


def _person(saved: Saved) -> str:
    levels = np.asarray(saved.map, np.float32) / 255
    return _large(overlay(saved.picture, levels, (0, 0, *saved.picture.size)))


def _large(drawn: Image.Image) -> str:
    """A small one shows its pixels."""
    scale = SIDE / max(drawn.size)
    size = (max(1, round(scale * drawn.width)), max(1, round(scale * drawn.height)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return jpeg_url(drawn.resize(size, how))
