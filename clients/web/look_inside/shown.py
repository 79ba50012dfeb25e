"""Whether somebody sees a panel: what nobody sees asks the cluster nothing."""

import gradio as gr

# A tab that is opened gives its contents a size; when it is closed, it takes it away.
_WATCH = """
let shown = false;
new ResizeObserver(() => {
  const now = element.checkVisibility();
  if (now && !shown) trigger("load");
  shown = now;
}).observe(element);
"""


def opening() -> gr.HTML:
    """An empty component whose `load` happens each time that the panel around it comes into sight."""
    return gr.HTML("", js_on_load=_WATCH, apply_default_css=False, elem_classes="opening")


def where_shown(elem_id: str) -> str:
    """The `js` of an event: its first input is None while nobody sees that element."""
    seen = f"document.getElementById({elem_id!r})?.checkVisibility()"
    return f"(first, ...others) => [{seen} ? first : null, ...others]"
