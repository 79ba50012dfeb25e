"""The learned priors of a cluster, as callers may use them."""

import json

from convscope.engine.generation.shipped import SHIPPED
from convscope.services.common.errors import JobNotFound, PriorNotFound
from convscope.services.common.jobs.job import State
from convscope.services.common.jobs.kinds import TRAIN_PRIOR
from convscope.services.common.pages import foreign_token, from_token, page_size, to_token
from convscope.services.common.resource_names import prior_id
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.known_prior import KnownPrior
from convscope.services.jobs.listing import list_jobs


class Priors:
    """Those that ship, and those that the caller's jobs have made. Every method raises StoreAway where the store is."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(self, resource: str, *, field: str) -> KnownPrior:
        """Raises InvalidInput for what is no name, PriorNotFound, also for one of somebody else."""
        id = prior_id(resource, field=field)
        if id in SHIPPED:
            return KnownPrior.shipped(id)
        try:
            job = self._desk.find(id)
        except JobNotFound:
            raise PriorNotFound(resource, field=field) from None
        if job.kind != TRAIN_PRIOR or job.state is not State.SUCCEEDED:
            raise PriorNotFound(resource, field=field)
        return KnownPrior.made(job)

    def list(self, size: int, token: str) -> tuple[list[KnownPrior], str]:
        """A page and the token of the next, empty on the last: first those that ship, then the others, the newest
        first. Raises InvalidInput as list_jobs()."""
        wanted, (given, place) = page_size(size), _place(token)
        names = list(SHIPPED)[given : given + wanted]
        page, given = [KnownPrior.shipped(name) for name in names], given + len(names)
        if len(page) == wanted:
            return page, to_token(json.dumps([given, ""]))
        jobs, place = list_jobs(self._desk.records, wanted - len(page), place, {State.SUCCEEDED}, {TRAIN_PRIOR})
        return [*page, *map(KnownPrior.made, jobs)], to_token(json.dumps([given, place])) if place else ""


def _place(token: str) -> tuple[int, str]:
    """How many of those that ship were given, and the place in the list of jobs."""
    if not token:
        return 0, ""
    try:
        given, place = json.loads(from_token(token))
    except (ValueError, TypeError, RecursionError):
        raise foreign_token() from None
    if not isinstance(given, int) or not isinstance(place, str) or given < 0:
        raise foreign_token()
    return given, place
