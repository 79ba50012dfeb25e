"""What is looked at: a model and a picture, which all tabs share."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from convscope.web.page_file import page_file

SAMPLES = {
    "cat": "A cat",
    "coffee": "A cup of coffee",
    "astronaut": "An astronaut",
    "rocket": "A rocket",
    "scene": "A made scene",
}
"""The pictures to click: the stems of their files, and what they show."""
SAMPLES_URL = "/samples"
FOLDER = Path(str(files("convscope.web"))) / "samples"


@dataclass(frozen=True)
class Subject:
    """The components of the left column."""

    model: gr.Dropdown
    picture: gr.Image
    """Its input event tells that somebody has chosen another."""
    path: gr.Textbox
    """Of the picture's file. Its change event tells that there is another, wherever that came from; the picture's own
    fires without end, because every answer makes it a new value."""
    samples: gr.HTML
    """Its input event tells that a sample was clicked, whose name is its value."""


def subject() -> Subject:
    """Lay the column out."""
    model = gr.Dropdown(label="Model", choices=[], interactive=True, elem_id="model")
    picture = gr.Image(
        label="Picture",
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        height=260,
        elem_id="picture",
        buttons=["fullscreen"],
    )
    picture.preprocess = _as_uploaded  # type: ignore[method-assign]
    samples = gr.HTML(
        None,
        html_template=page_file("samples.html"),
        css_template=page_file("samples.css"),
        js_on_load=page_file("samples.js"),
        apply_default_css=False,
        elem_id="samples",
        samples=[{"name": name, "shows": shows} for name, shows in SAMPLES.items()],
        url=SAMPLES_URL,
    )
    path = gr.Textbox(visible="hidden", elem_id="path")
    return Subject(model, picture, path, samples)


def sample(name: str | None) -> str | None:
    """Path of a sample's file; None for what is none."""
    return str(FOLDER / f"{name}.jpg") if name in SAMPLES else None


def _as_uploaded(payload: Any) -> str | None:
    """A picture's path, its file byte for byte: what is broken about it, the cluster says."""
    return payload.path if payload else None
