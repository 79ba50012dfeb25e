"""The page's own markup, styles and scripts."""

from importlib.resources import files


def page_file(name: str) -> str:
    """Its text."""
    return files("convscope.web").joinpath(name).read_text(encoding="utf-8")
