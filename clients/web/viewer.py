"""The component that shows heatmaps over their picture."""

import base64
from importlib.resources import files

import gradio as gr

from convscope.engine.imaging.colormap import COLORMAPS, DIVERGING, color_table


def viewer(label: str) -> gr.HTML:
    """Its value is what figures() gives; None shows nothing."""
    return gr.HTML(
        None,
        label=label,
        html_template=_text("viewer.html"),
        css_template=_text("viewer.css"),
        js_on_load=_text("viewer.js"),
        apply_default_css=False,
        colormaps=[name for name in COLORMAPS if name != DIVERGING],
        diverging=DIVERGING,
        tables={name: base64.b64encode(color_table(name).tobytes()).decode() for name in COLORMAPS},
    )


def _text(name: str) -> str:
    return files("convscope.web").joinpath(name).read_text(encoding="utf-8")
