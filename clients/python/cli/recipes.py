"""convscope recipes: the papers' ways of making pictures."""

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from convscope.client.cli.connection import AsJson, Server, Timeout, connect
from convscope.client.recipes import ADDITIONS, Recipe

WIDEST = 200
MARK = "x"


def recipes(as_json: AsJson = False, server: Server = None, timeout: Timeout = None) -> None:
    """List the recipes, and what each adds to bare ascent."""
    with connect(server, timeout) as client:
        found = client.recipes()
    if as_json:
        print(json.dumps([asdict(recipe) for recipe in found]))
    else:
        # A pipe has no width, and a name that is cut off is of no use.
        Console(width=None if sys.stdout.isatty() else WIDEST).print(_table(found))


def _table(found: list[Recipe]) -> Table:
    # Two words of a heading stand below each other, so that the columns are narrow.
    additions = [Column(name.replace("_", "\n"), justify="center") for name in ADDITIONS]
    whole = [Column(title, no_wrap=True) for title in ("recipe", "for", "system")]
    table = Table(*whole, *additions, "", box=None, pad_edge=False)
    for recipe in found:
        marks = [MARK if name in recipe.additions else "" for name in ADDITIONS]
        words = (recipe.name, recipe.purpose, recipe.system, *marks, recipe.summary)
        table.add_row(*(Text(word) for word in words))
    return table
