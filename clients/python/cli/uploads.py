"""Send things into a collection from a terminal."""

import sys
from collections.abc import Callable

from convscope.client.bulk import OnProgress
from convscope.client.cli.following import bar, ended_by_hand
from convscope.client.client import Client
from convscope.client.sending import R


def send(client: Client, things: str, work: Callable[[OnProgress], R]) -> R:
    """Show how far an upload is, and name what could not be taken. Ctrl-C ends it. things: what is sent, in words."""

    def shown() -> R:
        with bar(things) as progress:
            line = progress.add_task("uploading", total=None, told="")
            return work(lambda done, total: progress.update(line, completed=done, total=total))

    found = ended_by_hand(client, shown, "what was taken stays; the same command adds the rest")
    for file in found.broken:
        print(file, file=sys.stderr)
    return found
