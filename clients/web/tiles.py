"""Small pictures in rows, each with its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import gradio as gr

from convscope.web.page_file import page_file


@dataclass(frozen=True)
class Tile:
    """A picture with what is said of it."""

    url: str
    caption: str
    note: str = ""
    number: int | None = None
    """What the component's `select` tells when it is chosen; None: it cannot be."""


@dataclass(frozen=True)
class Download:
    """A file that is offered below pictures."""

    name: str
    url: str
    words: str


def tile_view(elem_id: str) -> gr.HTML:
    """Its value is what tiles() and its like give. `select` tells the `number` of a tile that was chosen."""
    return gr.HTML(
        "",
        css_template=page_file("tiles.css"),
        js_on_load=page_file("tiles.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def tiles(label: str, shown: Sequence[Tile], *, chosen: int | None = None, sharp: bool = False) -> str:
    """A row that goes on below where there is no room. sharp: small pictures show their pixels."""
    kind = "tiles sharp" if sharp else "tiles"
    name = escape(label)
    if all(tile.number is None for tile in shown):
        return f'<ul class="{kind}" aria-label="{name}">{"".join(map(_figure, shown))}</ul>'
    # One stop of the Tab key; arrows go on from there.
    stop = next((place for place, tile in enumerate(shown) if tile.number == chosen), 0)
    buttons = "".join(_button(tile, tile.number == chosen, place == stop) for place, tile in enumerate(shown))
    return f'<div class="{kind}" role="toolbar" aria-label="{name}">{buttons}</div>'


def heading(words: str, note: str = "") -> str:
    """What stands above pictures."""
    return f'<h3>{escape(words)} <span class="note">{escape(note)}</span></h3>'


def drawing(url: str, words: str) -> str:
    """A large picture as wide as it is, or as there is room. words: what it shows."""
    return f'<div class="drawing"><img src="{url}" alt="{escape(words)}"></div>'


def remark(words: str) -> str:
    """A sentence in place of pictures, or above them."""
    return f'<p class="remark" role="status">{escape(words)}</p>' if words else ""


def downloads(*offered: Download) -> str:
    """Links to files."""
    links = (f'<a href="{one.url}" download="{escape(one.name)}">{escape(one.words)}</a>' for one in offered)
    return f'<p class="downloads">{" ".join(links)}</p>'


def _button(tile: Tile, chosen: bool, stop: bool) -> str:
    state = f'aria-pressed="{str(chosen).lower()}" tabindex="{0 if stop else -1}" data-number="{tile.number}"'
    return f'<button type="button" {state}>{_inner(tile, "")}</button>'


def _figure(tile: Tile) -> str:
    return f"<li><figure>{_inner(tile, tile.caption)}</figure></li>"


def _inner(tile: Tile, words: str) -> str:
    note = f'<span class="note" title="{escape(tile.note)}">{escape(tile.note)}</span>' if tile.note else ""
    return (
        f'<img src="{tile.url}" alt="{escape(words)}">'
        f'<span class="caption" title="{escape(tile.caption)}">{escape(tile.caption)}</span>{note}'
    )
