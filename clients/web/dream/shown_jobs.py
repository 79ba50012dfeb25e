"""Which jobs are shown, as the page's address names them: job=A&job=B&recipe=olah2017&recipe=tyka2016."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

MOST_JOBS = 24
"""What is behind them is left out; all recipes are fewer."""
LEFT_OUT = "-"
"""Stands where a job would: by this recipe there is none, for want of a learned prior."""


@dataclass(frozen=True)
class ShownJob:
    """A job by its name."""

    name: str
    """Without jobs/; or LEFT_OUT."""
    recipe: str = ""
    """By which it works, where the address knows; the cluster tells of it only once the job is done."""


def shown_jobs(query: str) -> list[ShownJob]:
    """In the order of the address; anything else in it is left out."""
    found = parse_qs(query)
    names = [name.removeprefix("jobs/") for name in found.get("job", [])][:MOST_JOBS]
    recipes = found.get("recipe", [])
    known = recipes if len(recipes) == len(names) else [""] * len(names)
    return [ShownJob(*one) for one in zip(names, known, strict=True)]


def query_of(jobs: Sequence[ShownJob]) -> str:
    """The address of these, the other way round."""
    pairs = [("job", job.name.removeprefix("jobs/")) for job in jobs]
    return urlencode(pairs + [("recipe", job.recipe) for job in jobs if job.recipe])
