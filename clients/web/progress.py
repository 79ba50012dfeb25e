"""How far something is, as a line of the page."""

from html import escape


def progress_line(words: str, done: int | None = None, total: int | None = None) -> str:
    """Words with a bar; without numbers one that only says that something goes on."""
    how_far = f' value="{done}" max="{total}"' if total else ""
    return f'<label class="how-far"><span>{escape(words)}</span><progress{how_far}></progress></label>'
