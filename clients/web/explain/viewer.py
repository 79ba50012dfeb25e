"""The component that shows heatmaps over their picture."""

import base64

import gradio as gr

from convscope.engine.imaging.colormap import COLORMAPS, DIVERGING, color_table
from convscope.engine.imaging.overlay import OPACITY, UNSEEN_BRIGHTNESS
from convscope.web.page_file import page_file


def viewer(label: str) -> gr.HTML:
    """Its value is what figures() gives; None shows nothing."""
    return gr.HTML(
        None,
        label=label,
        html_template=page_file("explain/viewer.html"),
        css_template=page_file("explain/viewer.css"),
        js_on_load=page_file("node.js") + page_file("explain/viewer.js"),
        apply_default_css=False,
        colormaps=[name for name in COLORMAPS if name != DIVERGING],
        diverging=DIVERGING,
        unseen=UNSEEN_BRIGHTNESS,
        opacity=round(100 * OPACITY),
        tables={name: base64.b64encode(color_table(name).tobytes()).decode() for name in COLORMAPS},
    )
