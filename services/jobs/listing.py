"""Jobs in pages, the newest first."""

import hashlib
import json
import math
from collections.abc import Collection

from convscope.services.common.access.current import may_see
from convscope.services.common.jobs.job import Job, State
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.pages import foreign_token, from_token, page_size, to_token
from convscope.services.common.store import reached

AT_ONCE = 200


def list_jobs(
    records: JobRecords, size: int, token: str, states: Collection[State] = (), kinds: Collection[str] = ()
) -> tuple[list[Job], str]:
    """A page and the token of the next, empty on the last. Empty filters let everything through.

    Raises InvalidInput for a size out of range and a token that is not of this list.
    """
    wanted = page_size(size)
    filters = hashlib.sha256(json.dumps([sorted(states), sorted(kinds)]).encode()).hexdigest()[:16]
    place = _place(token, filters)
    found: list[tuple[tuple[float, str], Job]] = []
    with reached():
        # One more than is wanted, to know whether there is a next page.
        while len(found) <= wanted and (places := records.before(place, AT_ONCE)):
            place = places[-1]
            jobs = {job.id: job for job in records.snapshots([id for _, id in places])}
            found += [
                (one, jobs[one[1]])
                for one in places
                if one[1] in jobs
                and may_see(jobs[one[1]].caller)
                and (not states or jobs[one[1]].state in states)
                and (not kinds or jobs[one[1]].kind in kinds)
            ]
    page = found[:wanted]
    more = len(found) > wanted
    return [job for _, job in page], to_token(json.dumps([*page[-1][0], filters])) if more else ""


def _place(token: str, filters: str) -> tuple[float, str] | None:
    if not token:
        return None
    try:
        created, id, of = json.loads(from_token(token))
        place = (float(created), str(id))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise foreign_token() from None
    if of != filters or not math.isfinite(place[0]):
        raise foreign_token()
    return place
