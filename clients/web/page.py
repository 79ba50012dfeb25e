"""The whole page."""

from html import escape
from typing import Any

import gradio as gr

from convscope.client.errors import ClientError
from convscope.web.attention.attention_tab import Attention
from convscope.web.cluster import Cluster
from convscope.web.dream.dream_tab import Dream
from convscope.web.explain.explain_tab import Explain
from convscope.web.look_inside.look_inside_tab import LookInside
from convscope.web.page_file import page_file
from convscope.web.sentences import sentence
from convscope.web.subject import subject
from convscope.web.words.words_tab import Words

LOOK_SECONDS = 3


def page(cluster: Cluster) -> gr.Blocks:
    """Lay it out and say what happens."""
    blocks: gr.Blocks
    with gr.Blocks(title="convscope", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(page_file("header.html"), padding=False)
        notice = gr.HTML(elem_id="notice")
        with gr.Row():
            with gr.Column(scale=1, min_width=260, elem_id="subject"):
                chosen = subject()
            with gr.Column(scale=4, min_width=320), gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Explain", id="explain"):
                    Explain(cluster, chosen)
                with gr.Tab("Look inside", id="look-inside"):
                    LookInside(cluster, chosen)
                with gr.Tab("Words", id="words"):
                    Words(cluster, chosen)
                with gr.Tab("Dream", id="dream"):
                    Dream(cluster, chosen)
                with gr.Tab("Where people look", id="where-people-look"):
                    Attention(cluster, chosen)

        async def look(model: str | None) -> Any:
            """Whether the cluster is there; and its models, where none is known yet."""
            if not await cluster.answers():
                return _away(cluster), gr.skip()
            if model:
                return "", gr.skip()
            try:
                names, first = await cluster.models()
            except ClientError as error:
                return _alert(escape(sentence(error))), gr.skip()
            return "", gr.update(choices=names, value=first)

        blocks.load(_tab, None, [tabs], show_progress="hidden", queue=False)
        # It begins behind the first look: two at once would name the model twice, and undo what was chosen in between.
        again = gr.Timer(LOOK_SECONDS, active=False)
        looking: Any = {"fn": look, "inputs": [chosen.model], "outputs": [notice, chosen.model]}
        quiet: Any = {"show_progress": "hidden", "queue": False}
        blocks.load(**looking, **quiet).then(lambda: gr.Timer(active=True), None, [again], **quiet)
        again.tick(**looking, **quiet)
    return blocks


def _tab(request: gr.Request) -> Any:
    """The tab that the page's address names."""
    name = request.query_params.get("tab") or ("dream" if "job" in request.query_params else "")
    return gr.update(selected=name) if name else gr.skip()


def _away(cluster: Cluster) -> str:
    return _alert(
        f"No convscope cluster answers at <b>{escape(cluster.address)}</b>. "
        "Start one with <code>convscope up</code>; this page goes on by itself."
    )


def _alert(words: str) -> str:
    return f'<div role="alert" class="away">{words}</div>'
