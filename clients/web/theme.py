"""How the page looks: fonts that are on every machine, so that none is fetched."""

import gradio as gr
from gradio.themes.utils.fonts import Font

FONTS = ("ui-sans-serif", "system-ui", "sans-serif")
MONO = ("ui-monospace", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    return gr.themes.Default(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        font=[Font(name) for name in FONTS],
        font_mono=[Font(name) for name in MONO],
    )
