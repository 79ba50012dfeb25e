"""The lines of the SDK that give what the page shows."""

from collections.abc import Sequence

HEAD = "from convscope.client import {names}\n\nwith Client.connect({server!r}) as client:\n"


def snippet(server: str, lines: Sequence[str], *names: str) -> str:
    """A program: the lines of its block, and what they use besides Client."""
    imported = ", ".join(sorted({"Client", *names}))
    return HEAD.format(names=imported, server=server) + "".join(f"    {line}\n" for line in lines)
