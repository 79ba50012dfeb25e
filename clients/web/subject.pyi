"""What is looked at: a model and a picture, which all tabs share."""

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import gradio as gr

SAMPLES = ("cat", "coffee", "astronaut", "rocket")

class PictureInput(gr.Image):
    """A picture as it was uploaded, byte for byte; the cluster says what it thinks of it."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

@dataclass(frozen=True)
class Subject:
    """The components of the left column."""

    model: gr.Dropdown
    picture: PictureInput

def subject() -> Subject:
    """Lay the column out."""
    model = gr.Dropdown(label="Model", choices=[], interactive=True, elem_id="model")
    picture = PictureInput(
        label="Picture",
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        height=260,
        elem_id="picture",
        buttons=["fullscreen"],
    )
    gr.Examples([[str(path)] for path in samples()], [picture], label="Or one of these", elem_id="samples")
    return Subject(model, picture)

def samples() -> list[Path]:
    """The photographs to click."""
    folder = files("convscope.web").joinpath("samples")
    with as_file(folder) as place:
        return [place / f"{name}.jpg" for name in SAMPLES]
