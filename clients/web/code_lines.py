"""The lines of the SDK that give what a panel shows."""

import gradio as gr


def code_lines(label: str) -> gr.Code:
    """Not laid out yet: several stand in one accordion."""
    return gr.Code(language="python", label=label, interactive=False, render=False)


def code_accordion(*codes: gr.Code) -> None:
    """Closed until somebody wants them."""
    with gr.Accordion("The lines of Python that give the same", open=False):
        for code in codes:
            code.render()  # type: ignore[no-untyped-call]
